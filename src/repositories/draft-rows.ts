import { type RawBuilder, sql } from 'kysely';
import type { StepState } from '../domain/moves/draft.ts';
import { bulkRows, castOf, scalar } from './bulk-rows.ts';
import { type Change, type Changes, JOB_KINDS, type Kinds, STEP_KINDS } from './draft-changes.ts';

/** Columns in which steps that change alike mostly get one and the same value: that travels once. */
const ALIKE: ReadonlySet<string> = new Set([
  ...[
    'status',
    'reason',
    'undecided',
    'need_not_succeeded',
    'failed_above',
    'claimed_by',
    'claim_expires_at',
  ],
  ...[
    'claim_ttl_ms',
    'claim_request',
    'progress',
    'error',
    'ready_at',
    'started_at',
    'finished_at',
    'wake_at',
  ],
]);

const STEP_KEYS = { job_id: 'uuid', ordinal: 'int4', old_status: 'text', old_claim: 'uuid' } as const;
const OUTPUT_KINDS = { new_output_set: 'bool', new_output: 'jsonb' } as const;

/** Travels for an instant that stays as it is. */
const UNCHANGED = Number.POSITIVE_INFINITY;

/**
 * How instants are written: as they stand in the drafts, or, where those only guess what the database's clock shows, by
 * their distance from that guess; `c.now` is the clock then.
 */
export type Instants = 'as they are' | 'from the clock';

/** Rows of changes for one update: `rows` to be joined as `d`, and what each column is `set` to. */
export interface ChangedRows {
  rows: RawBuilder<unknown>;
  set: RawBuilder<unknown>;
}

// An update of its own for fewer rows would cost more than it spares.
const MANY_ALIKE = 8;
const FEW_PATTERNS = 3;

/**
 * What changed in the steps; each row has the status and the claim that the step had before. Most steps change like
 * others: of these what differs travels as rows, and what does not but once.
 */
export function changedSteps({ steps }: Changes, instants: Instants): ChangedRows[] {
  const patterns = Map.groupBy(steps, (change) => patternOf(change));
  const all = [...patterns].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, changes]) => changes);
  if (all.length <= FEW_PATTERNS) return all.map((changes) => stepRows(changes, instants));
  const many = all.filter((changes) => changes.length >= MANY_ALIKE);
  const rest = all.filter((changes) => changes.length < MANY_ALIKE).flat();
  return [...many, ...(rest.length === 0 ? [] : [rest])].map((changes) => stepRows(changes, instants));
}

function patternOf({ before, state, columns }: Change<StepState>): string {
  return `${before.status} ${state.output === undefined ? '' : 'output'} ${columns.join()}`;
}

function stepRows(changes: readonly Change<StepState>[], instants: Instants): ChangedRows {
  const kinds = kindsOf(STEP_KINDS, changes);
  const rows = changes.map(({ draft, state, before, columns }) =>
    Object.assign(valuesOf(kinds, state, new Set(columns), instants, draft.now), {
      job_id: draft.job.id,
      ordinal: state.ordinal,
      old_status: before.status,
      old_claim: before.claim_id,
    }),
  );
  const hasOutput = changes.some(({ state }) => state.output !== undefined);
  if (hasOutput)
    for (const [index, { state }] of changes.entries()) Object.assign(rows[index] ?? {}, outputOf(state));
  const all = { ...STEP_KEYS, ...kinds, ...(hasOutput ? OUTPUT_KINDS : {}) };
  return { rows: rowsOf(all, rows, ALIKE), set: assignments(kinds, hasOutput, instants) };
}

/** What changed in the jobs. */
export function changedJobs({ jobs }: Changes, instants: Instants): ChangedRows {
  const kinds = kindsOf(JOB_KINDS, jobs);
  const hasOutput = jobs.some(({ state }) => state.output !== undefined);
  const rows = jobs.map(({ draft, state, columns }) =>
    Object.assign(
      valuesOf(kinds, state, new Set(columns), instants, draft.now),
      { id: state.id },
      outputOf(state),
    ),
  );
  const all = { id: 'uuid', ...kinds, ...(hasOutput ? OUTPUT_KINDS : {}) } as const;
  return { rows: bulkRows('d', all, rows), set: assignments(kinds, hasOutput, instants) };
}

function kindsOf(kinds: Kinds, changes: readonly { columns: readonly string[] }[]): Kinds {
  const columns = new Set(changes.flatMap((change) => change.columns));
  // Always in the same order: each other one would be another statement to be planned.
  return Object.fromEntries(Object.entries(kinds).filter(([column]) => columns.has(column)));
}

/** The values of the columns as they travel. */
function valuesOf<State extends object>(
  kinds: Kinds,
  state: State,
  changed: ReadonlySet<string>,
  instants: Instants,
  now: number,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const column in kinds) {
    const value = state[column as keyof State];
    values[column] = value;
    if (instants === 'as they are' || kinds[column] !== 'instant') continue;
    if (!changed.has(column)) values[column] = UNCHANGED;
    else if (typeof value === 'number') values[column] = value - now;
  }
  return values;
}

/** The rows as `d`, the columns of `alike` that have one value in all of them told once. */
function rowsOf(
  kinds: Kinds,
  rows: readonly Record<string, unknown>[],
  alike: ReadonlySet<string>,
): RawBuilder<unknown> {
  const [first = {}] = rows;
  const shared = Object.entries(kinds).filter(
    ([name]) => alike.has(name) && rows.every((row) => row[name] === first[name]),
  );
  if (shared.length === 0) return bulkRows('d', kinds, rows);
  const names = new Set(shared.map(([name]) => name));
  const own = Object.fromEntries(Object.entries(kinds).filter(([name]) => !names.has(name)));
  const once = shared.map(([name, kind]) => sql`${scalar(kind, first[name])} as ${sql.ref(name)}`);
  return sql`(select o.*, ${sql.join(once)} from ${bulkRows('o', own, rows)}) as d`;
}

function assignments(kinds: Kinds, hasOutput: boolean, instants: Instants): RawBuilder<unknown> {
  const list = Object.entries(kinds).map(([column, kind]) => {
    const value = castOf('d', column, kind);
    if (instants === 'as they are' || kind !== 'instant') return sql`${sql.ref(column)} = ${value}`;
    const given = sql.ref(`d.${column}`);
    return sql`${sql.ref(column)} = case when ${given} = 'infinity' then ${sql.ref(`t.${column}`)}
      else c.now + ${given} * interval '1 millisecond' end`;
  });
  // An output that nobody set stays as it is, unread.
  if (hasOutput)
    list.push(sql`output = case when d.new_output_set then d.new_output::jsonb else t.output end`);
  return sql.join(list);
}

function outputOf({ output }: { output?: unknown }): Record<string, unknown> {
  return { new_output_set: output !== undefined, new_output: output };
}
