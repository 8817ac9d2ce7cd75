import type { JobDefinition } from '../../client/src/index.ts';

type Steps = NonNullable<JobDefinition['steps']>;

/** Reads the outputs of all needs, so that each result carries whose results it was made of. */
const ABOVE = '${{ needs.map(need, need.output.claim) }}';
const echo = { uses: 'echo', with: { above: ABOVE } };

/** One step, eight that need it, and one that needs those. */
function fan(): Steps {
  const middle = Array.from({ length: 8 }, (_, i) => ({ name: `m${i}`, needs: ['first'], ...echo }));
  const needs = middle.map(({ name }) => name);
  return [{ name: 'first', uses: 'echo' }, ...middle, { name: 'last', needs, ...echo }];
}

/** Remote steps and steps of the servers' own pools in turn, with a condition and a timer on the way. */
function chain(): Steps {
  return [
    { name: 'a', uses: 'echo' },
    { name: 'b', needs: ['a'], uses: 'value', with: { claim: '${{ steps.a.output.claim }}' } },
    { name: 'c', needs: ['b'], ...echo },
    { name: 'd', needs: ['c'], uses: 'wait', with: { for: '300ms' } },
    { name: 'e', needs: ['d'], if: 'steps.c.output.attempt > 0', uses: 'echo' },
    { name: 'f', needs: ['e'], ...echo },
  ];
}

/** Many that need nothing, of which few may run at once. */
function loose(): Steps {
  return Array.from({ length: 30 }, (_, i) => ({ name: `l${i}`, uses: 'echo' }));
}

/** Steps that take their time, in the servers and in the workers, one of them at its second attempt. */
function slow(): Steps {
  return [
    { name: 'shell', uses: 'shell', with: { run: 'sleep 0.7; echo done' } },
    { name: 'nap', uses: 'nap', with: { ms: 500 } },
    { name: 'unlucky', uses: 'unlucky', retry: { max_attempts: 2, delay: 0 } },
    { name: 'end', needs: ['shell', 'nap', 'unlucky'], uses: 'echo' },
  ];
}

const SHAPES: readonly (() => Partial<JobDefinition>)[] = [
  () => ({ steps: fan() }),
  () => ({ steps: chain() }),
  () => ({ steps: fan(), priority: 1 }),
  () => ({ steps: loose(), max_parallel: 8 }),
  () => ({ steps: slow() }),
  () => ({ uses: 'echo' }),
];

/** The job of this number: the shapes come round in turn. */
export function jobOf(number: number): JobDefinition {
  const shape = SHAPES[number % SHAPES.length] as (typeof SHAPES)[number];
  return { name: `fleet-${number}`, ...shape() };
}

export function stepsIn({ steps }: JobDefinition): number {
  return steps?.length ?? 1;
}
