/** A stream of chance that a seed fixes: the same seed and the same number always draw the same. */
export interface Chance {
  /** From 0 up to but not including 1. */
  unit(): number;
  /** A whole number from 0 up to but not including `below`. */
  below(below: number): number;
  /** True in `share` of all cases. */
  is(share: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** One of the keys, each as often as its weight says. */
  weighed<Key extends string>(weights: Readonly<Record<Key, number>>): Key;
  /** Letters and digits. */
  word(length: number): string;
}

/** Chance for one request of a run: of `seed` and `number` alone, so that a single request can be made again. */
export function createChance(seed: number, number: number): Chance {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0;
  // mulberry32: small, and good enough for drawing requests.
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(unit() * limit);
  const pick = <Item>(items: readonly Item[]): Item => {
    if (items.length === 0) throw new Error('there is nothing to pick from');
    return items[below(items.length)] as Item;
  };
  return {
    unit,
    below,
    pick,
    is: (share) => unit() < share,
    weighed: (weights) => {
      const entries = Object.entries(weights) as [keyof typeof weights, number][];
      let left = unit() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        left -= weight;
        if (left < 0) return key;
      }
      return (entries.at(-1) as [keyof typeof weights, number])[0];
    },
    word: (length) => Array.from({ length }, () => LETTERS[below(LETTERS.length)]).join(''),
  };
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
