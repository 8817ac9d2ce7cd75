import { describe, expect, it } from 'vitest';
import { claimOf, type Evidence } from '../../proof/storm/evidence.ts';
import type { Shape } from '../../proof/storm/jobs.ts';
import { judge } from '../../proof/storm/judge.ts';
import type { LedgerLine } from '../../proof/storm/ledger.ts';
import type { StepRow } from '../engine/invariants.ts';

/** A checker that finds nothing proves nothing: each promise of the verdict is broken here once, on purpose. */

const STEPS: Shape['steps'] = [
  { name: 'first', uses: 'echo' },
  { name: 'last', uses: 'echo', needs: ['first'] },
];
const SHAPES: readonly Shape[] = [
  { steps: STEPS, care: 'none', ends: ['succeeded'] },
  { steps: STEPS, care: 'cancel', ends: ['succeeded', 'cancelled'] },
];
const MOMENT = 1_790_000_000_000;

const uuid = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const at = (seconds: number) => new Date(MOMENT + seconds * 1_000).toISOString();

/** Two jobs of two steps, of which the last of each first job's steps was lost once and ran again. */
function whole(): Evidence {
  const jobs = [0, 1].map((number) => ({
    ...{ id: uuid(number), name: `storm-${number}-${number}`, status: 'succeeded', version: 9, progress: 1 },
    ...{ max_parallel: null, running_progress: 0, hard_failures: 0, output_undecided: false },
    ...{ steps_pending: 0, steps_ready: 0, steps_running: 0, steps_waiting: 0, steps_succeeded: 2 },
    ...{ steps_failed: 0, steps_skipped: 0, steps_cancelled: 0 },
  }));
  const steps = jobs.flatMap(({ id }, job) =>
    STEPS.map(({ name }, ordinal): StepRow => {
      const row = {
        ...{ job_id: id, ordinal, name, status: 'succeeded', uses: 'echo', unmet: 0, version: 9 },
        ...{
          needs: ordinal === 0 ? [] : [0],
          attempt: ordinal === 0 ? 1 : 2,
          claim_id: uuid(100 + 10 * job + ordinal),
        },
        ...{ claimed_by: null, wake_at: null, finished_at: at(10 * ordinal + 5), continue_on_error: false },
      };
      return { ...row, output: { claim: claimOf(row), above: [] } };
    }),
  );
  const attempts = jobs.map(({ id }, job) => ({
    ...{ job_id: id, ordinal: 1, attempt: 1, outcome: 'lost', claim_id: uuid(200 + job) },
  }));
  const lines: LedgerLine[] = [
    { kind: 'submitted', at: MOMENT, key: 'one', names: jobs.map(({ name }) => name) },
    ...[1, 2].map(
      (second): LedgerLine => ({
        kind: 'accepted',
        at: MOMENT + second,
        key: 'one',
        ids: jobs.map(({ id }) => id),
      }),
    ),
    { kind: 'steered', at: MOMENT + 3, verb: 'cancel', job: uuid(1), status: 409, said: 'job_terminal' },
    ...steps.flatMap((step) => run(claimOf(step) as string, Date.parse(String(step.finished_at)) - 1_000)),
    ...attempts.map(
      (row): LedgerLine => ({
        kind: 'begun',
        at: MOMENT + 7_000,
        worker: 'other',
        claim: claimOf(row) as string,
      }),
    ),
  ];
  return {
    lines,
    rows: {
      jobs: new Map(jobs.map((job) => [job.id, job])),
      steps: Map.groupBy(steps, ({ job_id }) => job_id),
      attempts: Map.groupBy(attempts, ({ job_id }) => job_id),
    },
    ...{ openJobs: 0, figures: [], wrong: [] },
  };
}

/** What a worker enters about an execution that ends well. */
function run(claim: string, from: number): LedgerLine[] {
  const who = { worker: 'one', claim };
  return [
    { kind: 'begun', at: from, ...who },
    { kind: 'ended', at: from + 500, ...who },
    { kind: 'answered', at: from + 1_000, ...who, sent: 'succeeded', status: 200, outcome: 'succeeded' },
  ];
}

const stepOf = (evidence: Evidence, job: number, ordinal: number) =>
  evidence.rows.steps.get(uuid(job))?.[ordinal] as StepRow;

const claimIn = (evidence: Evidence, job: number, ordinal: number) =>
  claimOf(stepOf(evidence, job, ordinal)) as string;

const add = (evidence: Evidence, ...lines: LedgerLine[]) => {
  evidence.lines = [...evidence.lines, ...lines];
};

const without = (evidence: Evidence, isGone: (line: LedgerLine) => boolean) => {
  evidence.lines = evidence.lines.filter((line) => !isGone(line));
};

const accepting = (claim: string): LedgerLine => ({
  ...{ kind: 'answered', at: MOMENT + 20_000, worker: 'late', claim, sent: 'succeeded' },
  ...{ status: 200, outcome: 'succeeded' },
});

const lostClaim = (evidence: Evidence) =>
  claimOf(evidence.rows.attempts.get(uuid(0))?.[0] as unknown as StepRow) as string;

/** What was broken, and the finding that must say so. */
const PLANTED: Record<string, [finding: string, plant: (evidence: Evidence) => void]> = {
  'a job that was accepted and is gone': ['lost', ({ rows }) => void rows.jobs.delete(uuid(0))],
  'a step that is gone': ['lost', ({ rows }) => void rows.steps.get(uuid(0))?.pop()],
  'a result that was accepted, of a step that ended otherwise': [
    'lost',
    (all) => Object.assign(stepOf(all, 1, 1), { status: 'cancelled' }),
  ],
  'a job that nobody sent': [
    'unexpected',
    ({ rows }) => Object.assign(rows.jobs.get(uuid(0)) ?? {}, { name: 'x-0' }),
  ],
  'a run under a claim that was never granted': [
    'unexpected',
    (all) =>
      add(all, {
        kind: 'begun',
        at: MOMENT,
        worker: 'one',
        claim: claimOf({ ...stepOf(all, 0, 0), claim_id: uuid(999) }) as string,
      }),
  ],
  'a step that succeeded and that nobody ran': [
    'unexpected',
    (all) => without(all, (line) => line.kind === 'begun' && line.claim === claimIn(all, 0, 0)),
  ],
  'a result of a run that never came to its end': [
    'unexpected',
    (all) => without(all, (line) => line.kind === 'ended' && line.claim === claimIn(all, 0, 0)),
  ],
  'an output of another claim': [
    'unexpected',
    (all) => Object.assign(stepOf(all, 0, 1), { output: { claim: lostClaim(all) } }),
  ],
  'an output made of one that was not accepted': [
    'unexpected',
    (all) =>
      Object.assign(stepOf(all, 0, 1), { output: { claim: claimIn(all, 0, 1), above: [lostClaim(all)] } }),
  ],
  'a job that ended as its shape does not': [
    'unexpected',
    ({ rows }) => Object.assign(rows.jobs.get(uuid(0)) ?? {}, { status: 'failed' }),
  ],
  'a job that a client was told is cancelled, and that succeeded': [
    'unexpected',
    (all) =>
      add(all, { kind: 'steered', at: MOMENT, verb: 'cancel', job: uuid(1), status: 200, said: 'cancelled' }),
  ],
  'a job that a client saw failed, and that succeeded': [
    'unexpected',
    (all) => add(all, { kind: 'seen', at: MOMENT, job: uuid(0), status: 'failed', version: 3 }),
  ],
  'two accepted results of one step': ['double-committed', (all) => add(all, accepting(lostClaim(all)))],
  'an accepted result of a claim that was lost': [
    'stale writes accepted',
    (all) => {
      without(all, (line) => line.kind === 'answered' && line.claim === claimIn(all, 0, 1));
      add(all, accepting(lostClaim(all)));
    },
  ],
  'a result that was both refused and accepted': [
    'stale writes accepted',
    (all) =>
      add(all, {
        ...{ kind: 'answered', at: MOMENT, worker: 'one', claim: claimIn(all, 0, 0), sent: 'succeeded' },
        ...{ status: 409, code: 'claim_lost' },
      }),
  ],
  'a job that is not over': ['jobs that were not over', (all) => Object.assign(all, { openJobs: 1 })],
  'a step that is not over': [
    'jobs that were not over',
    (all) => Object.assign(stepOf(all, 0, 0), { status: 'running' }),
  ],
  'a run that began before its need was over': [
    'steps started before',
    (all) => Object.assign(stepOf(all, 0, 0), { finished_at: at(60) }),
  ],
  'a run under a claim that ran before': [
    'succeeded steps executed again',
    (all) => add(all, { kind: 'begun', at: MOMENT + 1, worker: 'two', claim: claimIn(all, 0, 0) }),
  ],
  'a run after the step had succeeded': [
    'succeeded steps executed again',
    ({ rows }) =>
      rows.attempts.get(uuid(0))?.push({ job_id: uuid(0), ordinal: 0, attempt: 1, outcome: 'succeeded' }),
  ],
  'an attempt that left no trace': [
    'attempts numbered with gaps',
    ({ rows }) => void rows.attempts.delete(uuid(0)),
  ],
  'a counter that is wrong': [
    'counters unlike a recount',
    ({ rows }) => Object.assign(rows.jobs.get(uuid(0)) ?? {}, { steps_succeeded: 1 }),
  ],
  'a key that was answered with two jobs': [
    'idempotency keys',
    (all) => add(all, { kind: 'accepted', at: MOMENT, key: 'one', ids: [uuid(0), uuid(7)] }),
  ],
  'a job that was stored twice': [
    'idempotency keys',
    ({ rows }) => Object.assign(rows.jobs.get(uuid(1)) ?? {}, { name: 'storm-0-0' }),
  ],
  'a server that ended by itself': ['promises seen broken', (all) => void all.wrong.push('server-1 ended')],
};

const brokenIn = (evidence: Evidence) =>
  judge(evidence, SHAPES)
    .filter(({ found }) => found.length > 0)
    .map(({ what }) => what);

describe('the verdict about a storm', () => {
  it('is clean when nothing is wrong, lost attempts and late runs included', () => {
    expect(brokenIn(whole())).toEqual([]);
  });

  it.each(Object.entries(PLANTED))('tells of %s', (_, [finding, plant]) => {
    const evidence = whole();
    plant(evidence);
    expect(brokenIn(evidence)).toContainEqual(expect.stringMatching(new RegExp(`^${finding}`)));
  });

  it('breaks each of its promises in one of these tests', () => {
    const findings = judge(whole(), SHAPES).map(({ what }) => what);
    const planted = Object.values(PLANTED).map(([finding]) => finding);
    expect(findings.filter((what) => !planted.some((finding) => what.startsWith(finding)))).toEqual([]);
  });
});
