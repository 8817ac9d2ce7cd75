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
    const values = rows.map((row) => encode(kind, row[name as keyof typeof row]));
    return sql`${sql.val(values)}::${sql.raw(ARRAY_TYPE[kind])}`;
  });
  return sql`unnest(${sql.join(arrays)}) as ${sql.ref(alias)} (${sql.join(names.map((name) => sql.ref(name)))})`;
}

/**
 * The same for rows of which there is often just one: that one goes as plain parameters, which spares the database a
 * function a column, a fifth of what a small submit costs.
 */
export function oneOrMoreRows(
  alias: string,
  columns: Record<string, BulkKind>,
  rows: readonly object[],
): RawBuilder<unknown> {
  const [row] = rows;
  if (row === undefined || rows.length > 1) return bulkRows(alias, columns, rows);
  const values = Object.entries(columns).map(([name, kind]) => {
    const type = sql.raw(ARRAY_TYPE[kind].slice(0, -2));
    return sql`${sql.val(encode(kind, row[name as keyof typeof row]))}::${type} as ${sql.ref(name)}`;
  });
  return sql`(select ${sql.join(values)}) as ${sql.ref(alias)}`;
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
