import type { Random } from '../../test/engine/random-jobs.ts';

/** Something that will be done, at a moment counted from the beginning. Times in milliseconds. */
export interface Fault {
  atMs: number;
  what: FaultKind;
  /** Which server or worker; the next one when it is busy with another fault. */
  index: number;
  /** How long it stays away, or stands still, or is full. */
  ms: number;
}

export type FaultKind =
  | 'server killed'
  | 'server told to stop'
  | 'server held still'
  | 'worker killed'
  | 'worker held still'
  | 'Postgres restarted at once'
  | 'postmaster killed'
  | 'backend killed'
  | 'all connections terminated'
  | 'disk full';

/** Of a hundred faults, about so many are of this kind, and last from so long to so long. */
const KINDS: readonly [kind: FaultKind, weight: number, from: number, to: number][] = [
  ['server killed', 24, 0, 3_000],
  ['server told to stop', 4, 0, 1_000],
  // Shorter and longer than the ttl of claims, and than the silence by which others take it for dead.
  ['server held still', 8, 300, 9_000],
  ['worker killed', 34, 0, 2_000],
  ['worker held still', 14, 300, 9_000],
  ['Postgres restarted at once', 3, 0, 0],
  ['postmaster killed', 2, 0, 0],
  ['backend killed', 7, 0, 0],
  ['all connections terminated', 3, 0, 0],
  ['disk full', 1, 2_000, 6_000],
];

/** What ends a process by SIGKILL. */
export const KILLS: readonly FaultKind[] = [
  'server killed',
  'worker killed',
  'postmaster killed',
  'backend killed',
];

/** Draws all faults of a storm: one each `pauseMs` on average, the rare kinds at least once. */
export function drawFaults(random: Random, options: { ms: number; pauseMs: number }): Fault[] {
  const faults: Fault[] = [];
  const total = KINDS.reduce((sum, [, weight]) => sum + weight, 0);
  const draw = () => {
    let at = random.below(total);
    return KINDS.find(([, weight]) => {
      at -= weight;
      return at < 0;
    }) as (typeof KINDS)[number];
  };
  for (let atMs = options.pauseMs; atMs < options.ms; atMs += random.below(2 * options.pauseMs)) {
    const [what, , from, to] = draw();
    faults.push({ atMs, what, index: random.below(1_000), ms: from + random.below(to - from + 1) });
  }
  const missing = KINDS.filter(([kind]) => !faults.some(({ what }) => what === kind));
  for (const [what, , from] of missing)
    faults.push({ atMs: random.below(options.ms), what, index: random.below(1_000), ms: from });
  return faults.sort((one, other) => one.atMs - other.atMs);
}
