import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dependentsOf, describeCycle, plan, readsNotAbove } from '../../src/domain/job-definition/graph.ts';

/** Any graph at all, cycles and self needs included. */
const anyGraph = fc.integer({ min: 1, max: 12 }).chain((size) =>
  fc.array(fc.uniqueArray(fc.nat({ max: size - 1 }), { maxLength: 4 }), {
    minLength: size,
    maxLength: size,
  }),
);

/** A graph without cycles: each step needs earlier ones of a shuffled order. */
const acyclicGraph = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.infiniteStream(fc.nat()))
  .map(([size, stream]) => {
    const draw = () => stream.next().value as number;
    const label = Array.from({ length: size }, (_, index) => index);
    for (let i = size - 1; i > 0; i--) {
      const j = draw() % (i + 1);
      [label[i], label[j]] = [label[j] as number, label[i] as number];
    }
    const needs: number[][] = Array.from({ length: size }, () => []);
    for (let i = 1; i < size; i++) {
      const count = draw() % 4;
      const above = new Set(Array.from({ length: count }, () => label[draw() % i] as number));
      needs[label[i] as number] = [...above];
    }
    return needs;
  });

function ancestors(needs: number[][], step: number): Set<number> {
  const found = new Set<number>();
  const open = [...(needs[step] as number[])];
  while (open.length > 0) {
    const next = open.pop() as number;
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(needs[next] as number[]));
  }
  return found;
}

const chain = (size: number) => Array.from({ length: size }, (_, step) => (step === 0 ? [] : [step - 1]));

describe('plan', () => {
  it('puts each step one level below the lowest of its needs', () => {
    expect(plan([[], [0], [0], [1, 2], []])).toEqual({ ok: true, levels: [[0, 4], [1, 2], [3]] });
    expect(plan([[2], [], [1]])).toEqual({ ok: true, levels: [[1], [2], [0]] });
    expect(plan([])).toEqual({ ok: true, levels: [] });
  });

  it('orders any graph so that every need stands above, and as high as it can', () => {
    fc.assert(
      fc.property(acyclicGraph, (needs) => {
        const planned = plan(needs);
        if (!planned.ok) throw new Error('no cycle is there to be found');
        const levelOf = new Map(planned.levels.flatMap((level, index) => level.map((step) => [step, index])));
        expect(levelOf.size).toBe(needs.length);
        for (const level of planned.levels) expect(level).toEqual([...level].sort((a, b) => a - b));
        for (const [step, above] of needs.entries()) {
          const lowest = above.map((need) => levelOf.get(need) as number);
          expect(levelOf.get(step)).toBe(Math.max(-1, ...lowest) + 1);
        }
      }),
    );
  });

  it('names a true cycle whenever it refuses, and refuses if and only if there is one', () => {
    let refused = 0;
    fc.assert(
      fc.property(anyGraph, (needs) => {
        const cyclic = needs.some((_, step) => ancestors(needs, step).has(step));
        const planned = plan(needs);
        expect(planned.ok).toBe(!cyclic);
        if (planned.ok) return;
        refused++;
        const { cycle } = planned;
        expect(new Set(cycle).size).toBe(cycle.length);
        expect(cycle[0]).toBe(Math.min(...cycle));
        for (const [index, step] of cycle.entries()) {
          expect(needs[step]).toContain(cycle[(index + 1) % cycle.length]);
        }
      }),
    );
    expect(refused).toBeGreaterThan(10);
  });

  it('finds the same cycle of a graph every time', () => {
    expect(plan([[], [3], [1], [2, 4], [3], [1]])).toEqual({ ok: false, cycle: [1, 3, 2] });
    expect(plan([[0]])).toEqual({ ok: false, cycle: [0] });
  });

  it('orders a chain of 10,000 steps, and finds a cycle of 10,000', () => {
    const long = chain(10_000);
    const planned = plan(long);
    expect(planned.ok && planned.levels.length).toBe(10_000);
    long[0] = [9999];
    const cyclic = plan(long);
    expect(!cyclic.ok && cyclic.cycle.length).toBe(10_000);
  });
});

describe('dependentsOf', () => {
  it('turns needs around, in order of ordinals', () => {
    expect(dependentsOf([[], [0], [1, 0], [0]])).toEqual([[1, 2, 3], [2], [], []]);
  });
});

describe('describeCycle', () => {
  const nameOf = (step: number) => 'abcdefghijklmnopqrstuvwxyz'[step] as string;

  it('names every step of a cycle and comes back to the first', () => {
    expect(describeCycle([0, 2, 1], nameOf)).toBe('a → c → b → a');
    expect(describeCycle([3], nameOf)).toBe('d → d');
  });

  it('leaves out the middle of a long one', () => {
    expect(describeCycle([...Array(20).keys()], nameOf)).toBe(
      'a → b → c → d → e → f → g → h → (10 more) → s → t → a',
    );
  });
});

describe('readsNotAbove', () => {
  const levelsOf = (needs: number[][]) => {
    const planned = plan(needs);
    if (!planned.ok) throw new Error('a cycle');
    return planned.levels;
  };

  it('finds every read of a step that is not above the reader, and no other', () => {
    fc.assert(
      fc.property(acyclicGraph, fc.infiniteStream(fc.nat()), fc.nat({ max: 45 }), (needs, stream, most) => {
        const draw = () => stream.next().value as number;
        const reads = needs.map(() => [
          ...new Set(Array.from({ length: draw() % (most + 1) }, () => draw() % needs.length)),
        ]);
        const expected = reads.flatMap((list, step) => {
          const above = ancestors(needs, step);
          return list.filter((read) => !above.has(read)).map((read) => ({ step, read }));
        });
        expect(readsNotAbove(needs, levelsOf(needs), reads)).toEqual(expected);
      }),
    );
  });

  it('stays quick when each of 10,000 steps in a chain reads another one far above', () => {
    const needs = chain(10_000);
    const reads = needs.map((_, step) => [Math.floor(step / 2)]);
    const levels = levelsOf(needs);
    const before = performance.now();
    expect(readsNotAbove(needs, levels, reads)).toEqual([{ step: 0, read: 0 }]);
    expect(performance.now() - before).toBeLessThan(1000);
  });
});
