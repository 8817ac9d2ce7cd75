import { LIMITS } from '../limits.ts';
import { didYouMean } from '../suggest.ts';
import { dependentsOf, describeCycle, plan } from './graph.ts';
import type { Problems } from './read.ts';
import type { StatedStep } from './steps.ts';

/** The graph of a definition with names resolved to ordinals. */
export interface ResolvedGraph {
  ordinalOf: ReadonlyMap<string, number>;
  needs: number[][];
  dependents: number[][];
  /** The plan; null when the graph was refused. */
  levels: number[][] | null;
}

/** Looking for a near name among 10,000 takes a millisecond or two: enough for the first few. */
const SUGGESTIONS = 20;

/** Resolves `needs` and `enables` to ordinals. Needs keep the order in which they are given, those by `enables` last. */
export function resolveNeeds(steps: readonly StatedStep[], problems: Problems): ResolvedGraph {
  const before = problems.list.length;
  const ordinalOf = resolveNames(steps, problems);
  const count = steps.reduce((sum, step) => sum + step.needs.length + step.enables.length, 0);
  if (count > LIMITS.needsPerJob) {
    const detail = `${count} needs; a job has at most ${LIMITS.needsPerJob}`;
    problems.add('/steps', 'too_many_needs', detail);
    return { ordinalOf, needs: steps.map(() => []), dependents: steps.map(() => []), levels: null };
  }
  const find = finder(steps, ordinalOf, problems);
  const needs = steps.map((_, step) => find(step, 'needs'));
  addEnabled(
    needs,
    steps.map((_, step) => find(step, 'enables')),
  );
  const dependents = dependentsOf(needs);
  const planned = plan(needs, dependents);
  if (!planned.ok) refuseCycle(planned.cycle, steps, problems);
  const clean = problems.list.length === before && !problems.isFull();
  return { ordinalOf, needs, dependents, levels: planned.ok && clean ? planned.levels : null };
}

function resolveNames(steps: readonly StatedStep[], problems: Problems): Map<string, number> {
  const ordinalOf = new Map<string, number>();
  for (const [ordinal, { name, pointer }] of steps.entries()) {
    if (name === undefined) continue;
    const first = ordinalOf.get(name);
    if (first === undefined) ordinalOf.set(name, ordinal);
    else {
      const detail = `step ${first} is called \`${name}\` already; names are unique within the job`;
      problems.add(`${pointer}/name`, 'duplicate_name', detail);
    }
  }
  return ordinalOf;
}

/** Gives what finds the ordinals that a step's list names, and refuses the names that stand for none. */
function finder(steps: readonly StatedStep[], ordinalOf: ReadonlyMap<string, number>, problems: Problems) {
  let suggestions = 0;
  // Which step's list named this one last: one array for the whole job instead of a set for each step.
  const namedBy = {
    needs: new Int32Array(steps.length).fill(-1),
    enables: new Int32Array(steps.length).fill(-1),
  };
  return (step: number, field: 'needs' | 'enables'): number[] => {
    const { name: own, pointer, [field]: names } = steps[step] as StatedStep;
    const found: number[] = [];
    for (const [index, name] of names.entries()) {
      if (name === null) continue;
      const other = ordinalOf.get(name);
      const refuse = (code: string, detail: string) =>
        problems.add(`${pointer}/${field}/${index}`, code, detail);
      if (other === undefined) {
        const hint = suggestions++ < SUGGESTIONS ? didYouMean(name, ordinalOf.keys()) : '';
        refuse('unknown_need', `no step is called \`${name.slice(0, 63)}\`${hint}`);
      } else if (other === step || name === own) {
        refuse('self_need', `\`${name}\` cannot ${field === 'needs' ? 'need' : 'enable'} itself`);
      } else if (namedBy[field][other] === step) {
        refuse('duplicate_need', `\`${name}\` is in \`${field}\` twice; was another step meant?`);
      } else {
        namedBy[field][other] = step;
        found.push(other);
      }
    }
    return found;
  };
}

/** `a` enables `b` says that `b` needs `a`; to say both is no mistake. */
function addEnabled(needs: number[][], enabled: readonly number[][]): void {
  const enabledBy: number[][] = needs.map(() => []);
  for (const [step, below] of enabled.entries()) {
    for (const other of below) enabledBy[other]?.push(step);
  }
  for (const [step, above] of enabledBy.entries()) {
    if (above.length === 0) continue;
    const own = new Set(needs[step]);
    needs[step] = [...own, ...above.filter((need) => !own.has(need))];
  }
}

function refuseCycle(cycle: readonly number[], steps: readonly StatedStep[], problems: Problems): void {
  const first = steps[cycle[0] as number] as StatedStep;
  const circle = describeCycle(cycle, (step) => steps[step]?.name ?? `step ${step}`);
  // The need may have come from `enables` of another step.
  const pointer = first.needs.length > 0 ? `${first.pointer}/needs` : first.pointer;
  problems.add(pointer, 'cycle', `the steps need each other in a circle: ${circle}`);
}
