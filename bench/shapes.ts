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

/** Steps that need nothing. */
export function wide(count: number): Step[] {
  return names('w', count).map((name) => step(name));
}
