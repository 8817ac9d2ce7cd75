import { createHash } from 'node:crypto';
import type pg from 'pg';

/** Everything stored, a line a row, with no trace of when it was written and of what random ids it got. */
export type State = readonly string[];

/** Jobs of a scenario have different names, so that rows have an order which no random id decides. */
const READS: Record<string, string> = {
  job: 'select t.* from job t order by t.name',
  step: 'select t.* from step t join job j on j.id = t.job_id order by j.name, t.ordinal',
  attempt: `select t.* from attempt t left join job j on j.id = t.job_id
    order by j.name, t.ordinal, t.attempt, t.claim_id`,
  step_log: `select t.* from step_log t left join job j on j.id = t.job_id
    order by j.name, t.ordinal, t.attempt, t.start`,
  worker: 'select t.* from worker t order by t.kind, t.name, t.started_at',
};

const TABLES = Object.keys(READS);

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Ids that scenarios chose; they say who holds a claim, so they are compared. */
const CHOSEN = /^00000000-/;

/** Reads everything stored in one statement, so that no change can come in between. */
export async function readState(pool: pg.Pool): Promise<State> {
  const columns = TABLES.map(
    (name) => `(select coalesce(json_agg(r), '[]') from (${READS[name]}) r) as ${name}`,
  );
  const { rows } = await pool.query(`select ${columns.join(', ')}`);
  const names = new Map<string, string>();
  const named = (id: string) => {
    if (CHOSEN.test(id)) return id;
    const name = names.get(id) ?? `id ${names.size + 1}`;
    names.set(id, name);
    return name;
  };
  return TABLES.flatMap((table) =>
    rows[0][table].map(
      (row: Record<string, unknown>) => `${table} ${JSON.stringify(timeless(row)).replaceAll(UUID, named)}`,
    ),
  );
}

function timeless(row: Record<string, unknown>): Record<string, unknown> {
  const columns = Object.entries(row).filter(([name]) => name !== 'lock_key');
  return Object.fromEntries(columns.map(([name, value]) => [name, comparable(name, value)]));
}

function comparable(name: string, value: unknown): unknown {
  if (value === null) return null;
  if (name.endsWith('_at') || name === 'turn') return 'set';
  return name === 'data' ? createHash('sha256').update(String(value)).digest('hex') : value;
}

export function isSame(one: State, other: State): boolean {
  return one.length === other.length && one.every((line, index) => line === other[index]);
}

/** Says in a few lines what was expected and is not there, and what is there instead. */
export function difference(expected: State, found: State): string {
  const missing = expected.filter((line) => !found.includes(line)).map((line) => `  - ${line}`);
  const unexpected = found.filter((line) => !expected.includes(line)).map((line) => `  + ${line}`);
  const lines = [...missing.slice(0, 3), ...unexpected.slice(0, 3)];
  return lines.length === 0 ? '  the same rows in another order' : lines.join('\n');
}

/** Keeps a copy of everything stored under a name, in place of an older one. */
export async function keepRows(pool: pg.Pool, name: string): Promise<void> {
  await pool.query(
    ['begin', 'create schema if not exists kept']
      .concat(
        TABLES.flatMap((table) => [
          `drop table if exists kept.${name}_${table}`,
          `create table kept.${name}_${table} as table ${table}`,
        ]),
        'commit',
      )
      .join('; '),
  );
}

/** Makes everything as it was when it was kept. */
export async function putRowsBack(pool: pg.Pool, name: string): Promise<void> {
  await pool.query(
    [
      'begin',
      ...TABLES.toReversed().map((table) => `delete from ${table}`),
      ...TABLES.map((table) => `insert into ${table} overriding system value table kept.${name}_${table}`),
      'commit',
    ].join('; '),
  );
}

/** Deletes everything stored. */
export async function removeRows(pool: pg.Pool): Promise<void> {
  await pool.query(`truncate ${TABLES.join(', ')}`);
}
