import type { Shape } from './contestant.ts';

/** The graph as a program, for contestants whose graphs are programs: one step after the other, or eight at once. */
export async function walk(shape: Shape, step: (number: number) => Promise<unknown>): Promise<void> {
  await step(0);
  if (shape === 'chain' || shape === 'alone')
    for (let number = 1; number < 10; number += 1) await step(number);
  if (shape !== 'fan') return;
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(step));
  await step(9);
}
