interface Step {
  name: string;
  uses: 'value';
  needs: string[];
}

const step = (name: string, needs: string[] = []): Step => ({ name, uses: 'value', needs });
const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

/** Each step needs the one before it. */
export function chain(length: number): Step[] {
  return names('s', length).map((name, index) => step(name, index === 0 ? [] : [`s${index - 1}`]));
}

/** One step, then `width` at once, then one that needs them all. */
export function fan(width: number): Step[] {
  const middle = names('m', width);
  return [step('first'), ...middle.map((name) => step(name, ['first'])), step('last', middle)];
}

/** Layers of steps, each needing every step of the layer before. */
export function layered(layers: number, width: number): Step[] {
  return Array.from({ length: layers }, (_, layer) =>
    names(`l${layer}_`, width).map((name) => step(name, layer === 0 ? [] : names(`l${layer - 1}_`, width))),
  ).flat();
}

/** Layers of steps, each needing one to three of the layer before; the same `seed` draws the same graph. */
export function randomLayered(layers: number, width: number, seed: number): Step[] {
  const random = numbersFrom(seed);
  return Array.from({ length: layers }, (_, layer) =>
    names(`l${layer}_`, width).map((name) => {
      const count = layer === 0 ? 0 : 1 + Math.floor(random() * 3);
      const needs = Array.from({ length: count }, () => `l${layer - 1}_${Math.floor(random() * width)}`);
      return step(name, [...new Set(needs)]);
    }),
  ).flat();
}

/** Steps that need nothing. */
export function wide(count: number): Step[] {
  return names('w', count).map((name) => step(name));
}

/** The same steps by another action, such as one that remote workers offer. */
export function by<Uses extends string>(uses: Uses, steps: readonly Step[]) {
  return steps.map((one) => ({ ...one, uses }));
}

/** Numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
