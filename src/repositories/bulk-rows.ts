import { type RawBuilder, sql } from 'kysely';

/** How a column travels in a bulk statement: as an array of this type, turned into the column's own by `castOf`. */
export type BulkKind = 'uuid' | 'text' | 'int4' | 'int8' | 'float8' | 'bool' | 'instant' | 'jsonb' | 'int4[]';

const ARRAY_TYPE: Record<BulkKind, string> = {
  uuid: 'uuid[]',
  text: 'text[]',
  int4: 'int4[]',
  int8: 'int8[]',
  float8: 'float8[]',
  bool: 'bool[]',
  // Milliseconds since 1970: the unit in which the domain reckons.
  instant: 'float8[]',
  jsonb: 'text[]',
  // Arrays of unequal length cannot be unnested: each travels as its text.
  'int4[]': 'text[]',
};

/**
 * `unnest` of one array a column, named `alias`: many rows in one statement, whatever their number, where a parameter
 * a value would end at 65,535.
 */
export function bulkRows(
  alias: string,
  columns: Record<string, BulkKind>,
  rows: readonly object[],
): RawBuilder<unknown> {
  const names = Object.keys(columns);
  const arrays = Object.entries(columns).map(([name, kind]) => {
    const values = rows.map((row) => encode(kind, fieldOf(row, name)));
    return sql`${sql.val(values)}::${sql.raw(ARRAY_TYPE[kind])}`;
  });
  return sql`unnest(${sql.join(arrays)}) as ${sql.ref(alias)} (${sql.join(names.map((name) => sql.ref(name)))})`;
}

/**
 * The same for rows that are inserted. Of these there is often just one: it goes as plain parameters, which spares the
 * database a function a column, a fifth of what a small submit costs. Many rows tend to agree in most of their columns:
 * what all of them have travels once, which is a quarter of what a large submit costs.
 */
export function rowsToInsert(
  alias: string,
  columns: Record<string, BulkKind>,
  rows: readonly object[],
): RawBuilder<unknown> {
  const shared = Object.entries(columns).filter(([name, kind]) => isShared(name, kind, rows));
  const own = Object.fromEntries(
    Object.entries(columns).filter(([name]) => !shared.some(([one]) => one === name)),
  );
  const values = shared.map(([name, kind]) => {
    return sql`${scalar(kind, fieldOf(rows[0] ?? {}, name))} as ${sql.ref(name)}`;
  });
  if (values.length === 0) return bulkRows(alias, columns, rows);
  if (Object.keys(own).length === 0) return sql`(select ${sql.join(values)}) as ${sql.ref(alias)}`;
  return sql`(select own.*, ${sql.join(values)} from ${bulkRows('own', own, rows)}) as ${sql.ref(alias)}`;
}

/** One value as it would travel in such rows. */
export function scalar(kind: BulkKind, value: unknown): RawBuilder<unknown> {
  return sql`${sql.val(encode(kind, value))}::${sql.raw(ARRAY_TYPE[kind].slice(0, -2))}`;
}

/** From this many rows on: below it another statement for each pattern of columns would cost more than it spares. */
const MANY_ROWS = 500;

function isShared(name: string, kind: BulkKind, rows: readonly object[]): boolean {
  if (rows.length === 1) return true;
  if (rows.length < MANY_ROWS) return false;
  const first = encode(kind, fieldOf(rows[0] as object, name));
  return rows.every((row) => encode(kind, fieldOf(row, name)) === first);
}

function fieldOf(row: object, name: string): unknown {
  return row[name as keyof typeof row];
}

function encode(kind: BulkKind, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (kind === 'jsonb') return JSON.stringify(value);
  if (kind === 'int4[]') return `{${(value as number[]).join(',')}}`;
  return value;
}

/** A bulk column as a value of the table's own type. */
export function castOf(alias: string, column: string, kind: BulkKind): RawBuilder<unknown> {
  const ref = sql.ref(`${alias}.${column}`);
  if (kind === 'instant') return sql`to_timestamp(${ref} / 1000)`;
  if (kind === 'jsonb') return sql`${ref}::jsonb`;
  if (kind === 'int4[]') return sql`${ref}::int4[]`;
  return ref;
}

/** A timestamptz column as milliseconds since 1970, microseconds kept as a fraction. */
export function instant(column: string): RawBuilder<number | null> {
  return sql`(extract(epoch from ${sql.ref(column)}) * 1000)::float8`;
}
