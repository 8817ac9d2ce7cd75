import { chain, fan, randomLayered, wide } from '../shapes.ts';
import type { Definition } from './run-jobs.ts';
import type { Sizes } from './sizes.ts';

const SEED = 20_261_121;

/** A shape with how many jobs of it one try has. */
export interface Shape extends Definition {
  jobs: number;
}

/** Many small jobs. */
export function smallShapes({ jobs, single }: Sizes): Shape[] {
  return [
    { name: 'chain of 10', steps: chain(10), jobs },
    { name: 'fan 1-8-1', steps: fan(8), jobs },
    { name: 'random layers, 5 of 4', steps: randomLayered(5, 4, SEED), jobs: Math.ceil(jobs / 2) },
    { name: 'one step', steps: wide(1), jobs: single },
  ];
}

/** One large job. */
export function giantShapes({ giant }: Sizes): Shape[] {
  const steps = giant.toLocaleString('en-US');
  return [
    { name: `one job, wide, ${steps} steps`, steps: wide(giant), jobs: 1 },
    { name: `one job, chain, ${steps} steps`, steps: chain(giant), jobs: 1 },
    {
      name: `one job, random layers, ${steps} steps`,
      steps: randomLayered(giant / 100, 100, SEED),
      jobs: 1,
    },
  ];
}
