/**
 * The graph of a job, by ordinals: `needs[s]` lists the steps that must end before `s` may start. Everything here is
 * iterative, since a chain of 10,000 steps is a lawful job, and linear in steps and needs.
 */
export type Needs = readonly (readonly number[])[];

/** Topological levels, each in order of ordinals; or one cycle, each step of it needing the next, the last the first. */
export type Plan = { ok: true; levels: number[][] } | { ok: false; cycle: number[] };

/** For each step the steps that need it, in order of ordinals. */
export function dependentsOf(needs: Needs): number[][] {
  const dependents: number[][] = needs.map(() => []);
  for (const [step, above] of needs.entries()) {
    for (const need of above) at(dependents, need).push(step);
  }
  return dependents;
}

/**
 * Orders the steps in levels: a step stands one level below the lowest of its needs. Of several cycles always the same
 * one is found for the same graph.
 */
export function plan(needs: Needs, dependents: Needs = dependentsOf(needs)): Plan {
  const unmet = needs.map((above) => above.length);
  const levels: number[][] = [];
  let level = [...unmet.keys()].filter((step) => unmet[step] === 0);
  let planned = 0;
  while (level.length > 0) {
    levels.push(level);
    planned += level.length;
    const next: number[] = [];
    for (const step of level) {
      for (const below of at(dependents, step)) {
        unmet[below] = at(unmet, below) - 1;
        if (unmet[below] === 0) next.push(below);
      }
    }
    level = next.sort((a, b) => a - b);
  }
  return planned === needs.length ? { ok: true, levels } : { ok: false, cycle: findCycle(needs, unmet) };
}

// A step left over by the plan has a need that is left over too, so this walk must come back to a step it has seen.
function findCycle(needs: Needs, unmet: readonly number[]): number[] {
  const seenAt = new Map<number, number>();
  const path: number[] = [];
  let step = unmet.findIndex((count) => count > 0);
  while (!seenAt.has(step)) {
    seenAt.set(step, path.length);
    path.push(step);
    step = at(needs, step).find((need) => at(unmet, need) > 0) as number;
  }
  const cycle = path.slice(seenAt.get(step));
  const first = cycle.indexOf(cycle.reduce((least, each) => Math.min(least, each)));
  return [...cycle.slice(first), ...cycle.slice(0, first)];
}

/** Writes a cycle as `a → b → c → a`; the middle of a long one is left out. */
export function describeCycle(cycle: readonly number[], nameOf: (step: number) => string): string {
  const names = cycle.map(nameOf);
  const shown =
    names.length <= 12 ? names : [...names.slice(0, 8), `(${names.length - 10} more)`, ...names.slice(-2)];
  return [...shown, names[0]].join(' → ');
}

/**
 * Of the steps in `reads[s]`, for each `s`, those that are not above `s`, as pairs in order of `s`. `levels` is the plan.
 * Direct needs are looked at first; for the rest one bit for each step that is read travels down the graph: a few
 * kilobytes in any usual job, and 12.5 MB when each of 10,000 steps reads another one.
 */
export function readsNotAbove(needs: Needs, levels: Needs, reads: Needs): { step: number; read: number }[] {
  const open: { step: number; read: number }[] = [];
  for (const [step, list] of reads.entries()) {
    const direct = list.length > 8 ? new Set(at(needs, step)) : null;
    for (const read of list) {
      if (!(direct?.has(read) ?? at(needs, step).includes(read))) open.push({ step, read });
    }
  }
  if (open.length === 0) return open;
  const isAbove = markBelow(needs, levels, new Set(open.map((pair) => pair.read)));
  return open.filter((pair) => !isAbove(pair.read, pair.step));
}

function markBelow(needs: Needs, levels: Needs, targets: ReadonlySet<number>) {
  const bitOf = new Map([...targets].map((target, bit) => [target, bit]));
  const words = Math.ceil(targets.size / 32);
  const marks = new Uint32Array(needs.length * words);
  for (const level of levels) {
    for (const step of level) {
      const to = step * words;
      for (const need of at(needs, step)) {
        const from = need * words;
        for (let word = 0; word < words; word++) {
          marks[to + word] = at(marks, to + word) | at(marks, from + word);
        }
        const bit = bitOf.get(need);
        if (bit !== undefined) marks[to + (bit >> 5)] = at(marks, to + (bit >> 5)) | (1 << (bit & 31));
      }
    }
  }
  return (target: number, step: number): boolean => {
    const bit = bitOf.get(target) as number;
    return (at(marks, step * words + (bit >> 5)) & (1 << (bit & 31))) !== 0;
  };
}

function at<T>(list: ArrayLike<T>, index: number): T {
  return list[index] as T;
}
