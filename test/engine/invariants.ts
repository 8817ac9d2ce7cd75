import { type Kysely, sql } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import type { OracleJob, OracleStep } from './oracle.ts';
import { isOver, unmetOf } from './oracle.ts';

type Row = Record<string, unknown>;

export interface JobRow extends Row {
  id: string;
  status: string;
  version: number;
  progress: number;
  max_parallel: number | null;
}

export interface StepRow extends Row {
  job_id: string;
  ordinal: number;
  name: string;
  status: string;
  needs: number[];
  unmet: number;
  version: number;
  attempt: number;
  claim_id: string | null;
  claimed_by: string | null;
  wake_at: number | null;
}

interface AttemptRow extends Row {
  job_id: string;
  ordinal: number;
  attempt: number;
  outcome: string;
}

/** Everything stored, as it is at one moment. */
export interface Rows {
  jobs: Map<string, JobRow>;
  /** By job, in order. */
  steps: Map<string, StepRow[]>;
  attempts: Map<string, AttemptRow[]>;
}

/** Reads all jobs, or the given ones, in one statement, so that no change can come in between. */
export async function readRows(db: Kysely<Tables>): Promise<Rows> {
  const { rows } = await sql<{ jobs: JobRow[]; steps: StepRow[]; attempts: AttemptRow[] }>`
    select
      (select coalesce(json_agg(j), '[]') from job j) as jobs,
      (select coalesce(json_agg(s order by s.ordinal), '[]') from (
        select *, (extract(epoch from wake_at - clock_timestamp()) * 1000)::float8 as wakes_in_ms from step) s) as steps,
      (select coalesce(json_agg(a order by a.ordinal, a.attempt), '[]') from attempt a) as attempts`.execute(
    db,
  );
  const [all] = rows;
  return {
    jobs: new Map(all?.jobs.map((job) => [job.id, job])),
    steps: Map.groupBy(all?.steps ?? [], (step) => step.job_id),
    attempts: Map.groupBy(all?.attempts ?? [], (attempt) => attempt.job_id),
  };
}

const TERMINAL: readonly string[] = ['succeeded', 'failed', 'skipped', 'cancelled'];
const STATUSES = ['pending', 'ready', 'running', 'waiting', ...TERMINAL];

/** What must hold of any stored job at any moment. Returns what does not. */
export function brokenInvariants(rows: Rows): string[] {
  const broken: string[] = [];
  const claims = new Set<unknown>();
  for (const job of rows.jobs.values()) {
    const steps = rows.steps.get(job.id) ?? [];
    const say = (what: string) => void broken.push(`job ${job.id} (${job.status}): ${what}`);
    checkCounters(job, steps, say);
    checkReported(job, steps, say);
    checkJob(job, steps, say);
    const attempts = Map.groupBy(rows.attempts.get(job.id) ?? [], (attempt) => attempt.ordinal);
    for (const step of steps) {
      checkStep(step, steps, say);
      checkAttempts(step, attempts.get(step.ordinal) ?? [], say);
      if (step.claim_id !== null && claims.has(step.claim_id))
        say(`${step.name} shares its claim with another step`);
      claims.add(step.claim_id);
    }
  }
  return broken;
}

function checkCounters(job: JobRow, steps: StepRow[], say: (what: string) => void): void {
  for (const status of STATUSES) {
    const count = steps.filter((step) => step.status === status).length;
    if (job[`steps_${status}`] !== count)
      say(`counts ${job[`steps_${status}`]} ${status} steps, there are ${count}`);
  }
  const hard = steps.filter((step) => step.status === 'failed' && step.continue_on_error === false).length;
  if (job.hard_failures !== hard) say(`counts ${job.hard_failures} hard failures, there are ${hard}`);
}

function checkReported(job: JobRow, steps: StepRow[], say: (what: string) => void): void {
  const sum = steps.reduce(
    (total, step) => total + (step.status === 'running' ? ((step.progress as number) ?? 0) : 0),
    0,
  );
  const reported = job.running_progress as number;
  if (Math.abs(reported - sum) > 1e-6)
    say(`counts ${reported} as reported by running steps, they report ${sum}`);
}

function checkJob(job: JobRow, steps: StepRow[], say: (what: string) => void): void {
  const open = steps.filter((step) => !TERMINAL.includes(step.status));
  const taken = steps.filter((step) => step.status === 'ready' || step.status === 'running').length;
  if (TERMINAL.includes(job.status) && open.length > 0) say(`is over with ${open.length} steps open`);
  if (!TERMINAL.includes(job.status) && open.length === 0 && !job.output_undecided)
    say('has nothing open and goes on');
  if (job.max_parallel !== null && taken > job.max_parallel)
    say(`${taken} steps at once, ${job.max_parallel} allowed`);
  if (job.progress < 0 || job.progress > 1) say(`its progress is ${job.progress}`);
  if (job.status === 'succeeded' && job.progress !== 1) say(`succeeded with progress ${job.progress}`);
}

function checkStep(step: StepRow, steps: StepRow[], say: (what: string) => void): void {
  const unmet = step.needs.filter((need) => !TERMINAL.includes(steps[need]?.status ?? '')).length;
  const isOpen = !TERMINAL.includes(step.status);
  if (isOpen && step.unmet !== unmet)
    say(`${step.name} counts ${step.unmet} unmet needs, there are ${unmet}`);
  if (isOpen && step.status !== 'pending' && unmet > 0)
    say(`${step.name} is ${step.status} before its needs ended`);
  if (step.status === 'running' && step.claim_id === null) say(`${step.name} runs without a claim`);
}

function checkAttempts(step: StepRow, rows: AttemptRow[], say: (what: string) => void): void {
  const numbers = rows.map((row) => row.attempt);
  // All but the current one have ended, and the current one may have, without settling the step.
  const expected = Array.from({ length: numbers.length }, (_, index) => index + 1);
  const inOrder = numbers.every((number, index) => number === expected[index]);
  if (!inOrder || numbers.length > step.attempt || numbers.length < step.attempt - 1) {
    say(`${step.name} is at attempt ${step.attempt} with attempts ${numbers.join(', ') || 'none'} behind it`);
  }
  if (step.status === 'running' && numbers.length !== step.attempt - 1)
    say(`${step.name} runs an attempt that ended`);
}

/** What a reader of the API sees of a step, or could. */
const SEEN_OF_STEP = [
  ...[
    'status',
    'reason',
    'undecided',
    'attempt',
    'failures',
    'losses',
    'releases',
    'claim_id',
    'progress',
    'output',
  ],
  ...['error', 'ready_at', 'started_at', 'finished_at', 'wake_at'],
];
const SEEN_OF_JOB = [
  ...[
    'status',
    'reason',
    'output',
    'error',
    'progress',
    'run_at',
    'started_at',
    'finished_at',
    'output_undecided',
  ],
  ...STATUSES.map((status) => `steps_${status}`),
];

const seen = (row: Row, columns: readonly string[]) => JSON.stringify(columns.map((column) => row[column]));

/** `version` moves by one if and only if something visible changed, and names the steps that did. Returns what does not. */
export function brokenVersions(before: Rows, after: Rows): string[] {
  const broken: string[] = [];
  for (const [id, job] of after.jobs) {
    const was = before.jobs.get(id);
    if (was === undefined) {
      if (job.version !== 1) broken.push(`new job ${id} has version ${job.version}`);
      continue;
    }
    const steps = after.steps.get(id) ?? [];
    const stepsBefore = before.steps.get(id) ?? [];
    const changed = steps.filter(
      (step, i) => seen(step, SEEN_OF_STEP) !== seen(stepsBefore[i] as Row, SEEN_OF_STEP),
    );
    const isChanged = changed.length > 0 || seen(job, SEEN_OF_JOB) !== seen(was, SEEN_OF_JOB);
    const expected = was.version + (isChanged ? 1 : 0);
    if (job.version !== expected) broken.push(`job ${id} has version ${job.version}, expected ${expected}`);
    for (const [i, step] of steps.entries()) {
      const version = changed.includes(step) ? expected : stepsBefore[i]?.version;
      if (step.version !== version)
        broken.push(`${step.name} of ${id} has version ${step.version}, not ${version}`);
    }
    const reopened = job.retry_round !== was.retry_round;
    if (!reopened && job.progress < was.progress) broken.push(`the progress of ${id} fell`);
  }
  return broken;
}

/** A stored job and its steps, in the words of the oracle. */
export function storedState(rows: Rows, id: string): unknown {
  const job = rows.jobs.get(id) as JobRow;
  const attempts = Map.groupBy(rows.attempts.get(id) ?? [], (attempt) => attempt.ordinal);
  return {
    status: job.status,
    reason: job.reason,
    error: codeOf(job.error),
    output: job.output,
    output_undecided: job.output_undecided,
    started: job.started_at !== null,
    progress: job.progress.toFixed(6),
    steps: (rows.steps.get(id) ?? []).map((step) => ({
      ...pick(step, [
        'name',
        'status',
        'reason',
        'undecided',
        'attempt',
        'failures',
        'losses',
        'releases',
        'progress',
        'output',
      ]),
      error: codeOf(step.error),
      unmet: TERMINAL.includes(step.status) ? null : step.unmet,
      claim: step.claim_id,
      worker: step.status === 'running' ? step.claimed_by : null,
      history: (attempts.get(step.ordinal) ?? []).map((row) => `${row.attempt} ${row.outcome}`).join(', '),
    })),
  };
}

/** The same of the oracle. */
export function expectedState(job: OracleJob): unknown {
  return {
    status: job.status,
    reason: job.reason,
    error: job.error,
    output: job.output,
    output_undecided: job.outputUndecided,
    started: job.started,
    progress: job.progress.toFixed(6),
    steps: job.steps.map((step) => ({
      ...pick({ ...step }, [
        'name',
        'status',
        'reason',
        'undecided',
        'attempt',
        'failures',
        'losses',
        'releases',
        'progress',
        'output',
      ]),
      error: step.error,
      unmet: isOver(step) ? null : unmetOf(job, step),
      claim: step.claim,
      worker: step.status === 'running' ? step.worker : null,
      history: historyOf(step),
    })),
  };
}

function historyOf(step: OracleStep): string {
  const rows = [...step.history].sort(([a], [b]) => a - b);
  return rows.map(([attempt, outcome]) => `${attempt} ${outcome}`).join(', ');
}

function pick(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, row[column]]));
}

function codeOf(error: unknown): string | null {
  return (error as { code: string } | null)?.code ?? null;
}
