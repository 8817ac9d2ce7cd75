import type { Outcome } from './attack.ts';

/** What a server takes at most, whatever is sent to it: resident memory in MiB. See docs/deploying.md. */
export const MEMORY_CAP_MIB = 2_048;

/** Extends are starved when every third of them fails: their claims live for three. */
const STARVED = 3;

/** How long after its end a flood may still be felt. A promise of the order, not of the speed of a machine. */
const RECOVERY_MS = 60_000;

const COLUMNS = [
  'kind',
  'requests',
  'seconds',
  'answers',
  'slowest /livez',
  'slowest extend',
  'peak MiB',
  'recovered in',
];

/** The head of the table, in Markdown. */
export const TABLE_HEAD = `| ${COLUMNS.join(' | ')} |\n|${COLUMNS.map(() => '---').join('|')}|`;

/** One flood as a row of the table. */
export function row({ kind, tally, seen, peakMib, recoveryMs }: Outcome): string {
  const answers = [...tally.answers].toSorted(([a], [b]) => a.localeCompare(b));
  const codes = [...tally.codes].map(([code, count]) => `${code} ${count}`);
  const answered = answers.map(([status, count]) => `${status}: ${count}`).join(', ');
  const cells = [
    ...[kind, tally.sent, (tally.tookMs / 1_000).toFixed(1)],
    codes.length === 0 ? answered : `${answered} (${codes.join(', ')})`,
    `${Math.round(seen.slowestLivezMs)} ms of ${seen.livez}${seen.livezFailed > 0 ? `, ${seen.livezFailed} FAILED` : ''}`,
    `${Math.round(seen.slowestExtendMs)} ms of ${seen.extends}${seen.extendsFailed > 0 ? `, ${seen.extendsFailed} failed` : ''}`,
    ...[Math.round(peakMib), `${(recoveryMs / 1_000).toFixed(1)} s`],
  ];
  return `| ${cells.join(' | ')} |`;
}

const EXPECTED = new Set(['200', '202', '304', '408', '409', '413', '429', '503']);

/** What does not hold of what is promised under overload; `refused` are the statuses of claims that could not be completed. */
export function brokenPromises(outcomes: readonly Outcome[], refused: readonly number[]): string[] {
  const wrong = outcomes.flatMap((outcome) => brokenBy(outcome).map((what) => `${outcome.kind}: ${what}`));
  return refused.length === 0 ? wrong : [...wrong, `claims lost, completing them gave ${refused.join(', ')}`];
}

function brokenBy({ tally, seen, peakMib, recoveryMs, kind }: Outcome): string[] {
  const wrong: string[] = [];
  for (const [status, count] of tally.answers) {
    if (!EXPECTED.has(status)) wrong.push(`${count} answers ${status}`);
  }
  if (tally.withoutRetryAfter > 0) wrong.push(`${tally.withoutRetryAfter} refusals without Retry-After`);
  // How long it takes is told, not judged: that depends on what else the machine does.
  if (seen.livez === 0 || seen.livezFailed > 0)
    wrong.push(
      `/livez: ${seen.livezFailed} of ${seen.livez} failed, slowest ${Math.round(seen.slowestLivezMs)} ms`,
    );
  // One that fails is sent again, as workers do it; and of a silent database nobody can tell that a claim goes on.
  if (seen.extendsFailed * STARVED > seen.extends && kind !== 'silent database')
    wrong.push(`${seen.extendsFailed} of ${seen.extends} extends failed`);
  if (seen.lost.length > 0) wrong.push(`${new Set(seen.lost).size} claims lost`);
  if (peakMib > MEMORY_CAP_MIB) wrong.push(`${Math.round(peakMib)} MiB, the cap is ${MEMORY_CAP_MIB}`);
  if (recoveryMs > RECOVERY_MS) wrong.push(`not as before ${RECOVERY_MS / 1_000} s after its end`);
  return wrong;
}
