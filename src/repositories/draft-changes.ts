import type { JobDraft, JobState, StepState } from '../domain/moves/draft.ts';
import type { BulkKind } from './bulk-rows.ts';

/** Columns, and how each travels. */
export type Kinds = Readonly<Record<string, BulkKind>>;

/** What may change on a step, and how it travels. */
export const STEP_KINDS = {
  status: 'text',
  reason: 'text',
  unmet: 'int4',
  undecided: 'bool',
  need_not_succeeded: 'text',
  failed_above: 'bool',
  version: 'int4',
  attempt: 'int4',
  failures: 'int4',
  losses: 'int4',
  releases: 'int4',
  claim_id: 'uuid',
  claimed_by: 'uuid',
  claim_expires_at: 'instant',
  claim_ttl_ms: 'int4',
  claim_request: 'text',
  progress: 'float8',
  error: 'jsonb',
  turn: 'instant',
  ready_at: 'instant',
  started_at: 'instant',
  finished_at: 'instant',
  wake_at: 'instant',
} as const satisfies Partial<Record<keyof StepState, BulkKind>>;

/** What may change on a job, and how it travels. */
export const JOB_KINDS = {
  status: 'text',
  reason: 'text',
  version: 'int4',
  output_undecided: 'bool',
  error: 'jsonb',
  retry_round: 'int4',
  hard_failures: 'int4',
  progress: 'float8',
  running_progress: 'float8',
  steps_pending: 'int4',
  steps_ready: 'int4',
  steps_running: 'int4',
  steps_waiting: 'int4',
  steps_succeeded: 'int4',
  steps_failed: 'int4',
  steps_skipped: 'int4',
  steps_cancelled: 'int4',
  started_at: 'instant',
  finished_at: 'instant',
  deadline_at: 'instant',
} as const satisfies Partial<Record<keyof JobState, BulkKind>>;

/** Changes of a step that no reader can see do not count as a change of its version. */
const UNSEEN: ReadonlySet<string> = new Set([
  'unmet',
  'need_not_succeeded',
  'failed_above',
  'turn',
  'claim_expires_at',
  'claim_ttl_ms',
  'claim_request',
]);

/** What changed in one row: the columns that are no longer as `before`. */
export interface Change<State> {
  draft: JobDraft;
  state: State;
  before: State;
  columns: string[];
}

/** What changed in some drafts. */
export interface Changes {
  steps: readonly Change<StepState>[];
  jobs: readonly Change<JobState>[];
}

/** Finds what changed, and gives each job its next version, and each step of it that looks different the same. */
export function findChanges(drafts: readonly JobDraft[]): Changes {
  const steps: Change<StepState>[] = [];
  for (const draft of drafts) {
    draft.job.version = draft.jobBefore.version + 1;
    for (const [ordinal, before] of draft.before) {
      const state = draft.steps.get(ordinal) as StepState;
      const columns = changedColumns(STEP_KINDS, state, before);
      const seen = state.output !== undefined || columns.some((column) => !UNSEEN.has(column));
      if (seen && state.version !== draft.job.version) {
        state.version = draft.job.version;
        columns.push('version');
      }
      steps.push({ draft, state, before, columns });
    }
  }
  const jobs = drafts.map((draft) => {
    const { job: state, jobBefore: before } = draft;
    return { draft, state, before, columns: changedColumns(JOB_KINDS, state, before) };
  });
  return { steps, jobs };
}

/** Moves by what was guessed wrong what the drafts in `saved` set by their guess of the clock, which showed `now`. */
export function setClock({ steps, jobs }: Changes, saved: ReadonlySet<string>, now: number): void {
  for (const { draft, state, columns } of steps)
    if (saved.has(draft.job.id)) moveInstants(STEP_KINDS, state, columns, now - draft.now);
  for (const { draft, state, columns } of jobs) {
    if (!saved.has(draft.job.id)) continue;
    moveInstants(JOB_KINDS, state, columns, now - draft.now);
    draft.now = now;
  }
}

/** Sets right a draft all of whose instants were relative to the moment of its insert. */
export function placeInTime(draft: JobDraft, now: number): void {
  moveInstants({ ...JOB_KINDS, run_at: 'instant' }, draft.job, [...Object.keys(JOB_KINDS), 'run_at'], now);
  for (const step of draft.steps.values()) moveInstants(STEP_KINDS, step, Object.keys(STEP_KINDS), now);
  draft.now = now;
}

function moveInstants<State extends object>(
  kinds: Kinds,
  state: State,
  columns: readonly string[],
  ms: number,
): void {
  for (const column of columns) {
    const value = state[column as keyof State];
    if (kinds[column] === 'instant' && typeof value === 'number')
      Object.assign(state, { [column]: value + ms });
  }
}

function changedColumns<State extends object>(kinds: Kinds, state: State, before: State): string[] {
  const changed: string[] = [];
  for (const column in kinds)
    if (state[column as keyof State] !== before[column as keyof State]) changed.push(column);
  return changed;
}
