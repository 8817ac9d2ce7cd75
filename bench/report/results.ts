import type { Graph, Shape } from '../peers/contestant.ts';
import type { Measurement } from '../peers/measure.ts';
import { type Spread, spread } from '../peers/spread.ts';

/** All that one run gave; what is kept as JSON. */
export interface Results {
  /** The day, as YYYY-MM-DD. */
  date: string;
  /** Whether it was a short run, whose figures are for trying out only. */
  quick: boolean;
  machine: { cores: number; memory_gb: number; processor: string; system: string };
  versions: Record<string, string>;
  contestants: Described[];
  measurements: Measurement[];
}

/** What the page says of a contestant. */
export interface Described {
  name: string;
  title: string;
  version: string | null;
  shapes: Partial<Record<Graph, string>>;
  settings: string;
  durability: string;
  /** Why it was not measured. */
  missing: string | null;
}

/** The first line of what went wrong, files without their folders: what may be kept and shown. */
export function briefly(text: string): string {
  const [line = ''] = text.split('\n');
  return line.replaceAll(/(?:file:\/\/)?(?:\/[^\s/'"()]+)+\/([^\s/'"()]+)/g, '$1');
}

/** The measurements of a contestant and shape that count. */
export function valid({ measurements }: Results, contestant: string, shape: Shape): Measurement[] {
  return measurements.filter(
    (one) => one.contestant === contestant && one.shape === shape && one.void === null,
  );
}

/** Steps a second, of the drain alone. */
export function drainRate({ steps, drain_ms }: Measurement): number | null {
  return drain_ms === null ? null : (steps * 1000) / drain_ms;
}

/** Jobs a second. */
export function submitRate({ jobs, submit_ms }: Measurement): number | null {
  return submit_ms === null ? null : (jobs * 1000) / submit_ms;
}

/** The spread of a figure over the rounds that count. */
export function figure(
  results: Results,
  contestant: string,
  shape: Shape,
  of: (one: Measurement) => number | null,
): Spread | null {
  const values = valid(results, contestant, shape).map(of);
  return spread(values.filter((value) => value !== null));
}

/** One rate as a multiple of another, both of the drain. */
export interface Ratio {
  of: [contestant: string, shape: Shape];
  /** The best of several, by its median. */
  to: [contestants: readonly string[], shape: Shape];
}

const GRAPHS_ON_POSTGRES = ['pg-boss', 'dbos', 'openworkflow', 'absurd'] as const;

const ON_BOTH = ['fan', 'chain'] as const;

/** What is worth dividing by what. */
export const RATIOS: readonly Ratio[] = [
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast', shape], to: [['graphile-worker'], 'independent'] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast', shape], to: [GRAPHS_ON_POSTGRES, shape] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast', shape], to: [['pg-boss-hand'], shape] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast', shape], to: [['graphile-worker'], shape] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast', shape], to: [['bullmq-everysec'], shape] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast', shape], to: [['bullmq-always'], shape] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast-remote', shape], to: [['holdfast'], shape] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast-remote', shape], to: [['bullmq-everysec'], shape] })),
  ...ON_BOTH.map((shape): Ratio => ({ of: ['holdfast', shape], to: [['floor'], shape] })),
  { of: ['holdfast', 'independent'], to: [['floor'], 'independent'] },
];

/**
 * The ratio in each round in which both were measured, and of whom the best was; null when they never were. Rounds are
 * compared with themselves, since what else the machine does moves both.
 */
export function ratioOf(results: Results, { of, to }: Ratio): (Spread & { best: string }) | null {
  const [contestants, shape] = to;
  const rate = (contestant: string) => figure(results, contestant, shape, drainRate)?.median ?? 0;
  const best = contestants.toSorted((a, b) => rate(b) - rate(a))[0];
  if (best === undefined || rate(best) === 0) return null;
  const below = new Map(valid(results, best, shape).map((one) => [one.round, drainRate(one)]));
  const ratios = valid(results, ...of).flatMap((one) => {
    const [over, under] = [drainRate(one), below.get(one.round) ?? null];
    return over === null || under === null ? [] : [over / under];
  });
  const spreadOut = spread(ratios);
  return spreadOut === null ? null : { ...spreadOut, best };
}
