import { type Kysely, sql } from 'kysely';
import type { Tables } from './tables.ts';

type Db = Kysely<Tables>;
type Relation = { oid: number; name: string; options: string[] | null };

// Kysely's own bookkeeping is no part of our schema.
const OURS = sql`c.relnamespace = 'public'::regnamespace
  and c.relname not in ('kysely_migration', 'kysely_migration_lock')`;

/**
 * The schema as SQL text: functions, tables with columns, defaults, constraints, storage options and indexes, then
 * triggers, read from the catalog and sorted by name. PostgreSQL 15 to 18 give the same text,
 * so not-null constraints (catalogued since 18) are shown on their column.
 */
export async function dumpSchema(db: Db): Promise<string> {
  const { rows: tables } = await sql<Relation>`
    select c.oid::int8 as oid, c.relname as name, c.reloptions as options
    from pg_class c where c.relkind = 'r' and ${OURS} order by c.relname`.execute(db);
  // Indexes may be made by functions, which so come first.
  const parts = await functionStatements(db);
  for (const table of tables) {
    const lines = [...(await columnLines(db, table)), ...(await constraintLines(db, table))];
    const options = [...(table.options ?? [])].sort();
    const storage = options.length === 0 ? '' : ` with (\n  ${options.join(',\n  ')}\n)`;
    parts.push(
      `create table ${quoted(table.name)} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n)${storage};`,
    );
    parts.push(...(await indexStatements(db, table)));
  }
  parts.push(...(await triggerStatements(db)));
  return `${parts.join('\n\n')}\n`;
}

async function columnLines(db: Db, table: Relation): Promise<string[]> {
  type Column = {
    name: string;
    type: string;
    collation: string | null;
    not_null: boolean;
    value: string | null;
    identity: string;
    generated: string;
    storage: string | null;
  };
  const { rows } = await sql<Column>`
    select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as not_null,
      pg_get_expr(d.adbin, d.adrelid, true) as value, a.attidentity as identity, a.attgenerated as generated,
      case when a.attcollation <> t.typcollation then co.collname end as collation,
      case when a.attstorage <> t.typstorage then a.attstorage end as storage
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_collation co on co.oid = a.attcollation
    where a.attrelid = ${table.oid} and a.attnum > 0 and not a.attisdropped order by a.attnum`.execute(db);
  return rows.map((column) =>
    [
      quoted(column.name),
      column.type,
      column.storage === null ? '' : `storage ${STORAGE[column.storage]}`,
      column.collation === null ? '' : `collate "${column.collation}"`,
      column.identity === ''
        ? ''
        : `generated ${column.identity === 'a' ? 'always' : 'by default'} as identity`,
      defaultClause(column.value, column.generated),
      column.not_null ? 'not null' : '',
    ]
      .filter((word) => word !== '')
      .join(' '),
  );
}

const STORAGE: Record<string, string> = { p: 'plain', e: 'external', m: 'main', x: 'extended' };

function defaultClause(value: string | null, generated: string): string {
  if (value === null) return '';
  return generated === ''
    ? `default ${value}`
    : `generated always as (${value}) ${generated === 's' ? 'stored' : 'virtual'}`;
}

async function constraintLines(db: Db, table: Relation): Promise<string[]> {
  const { rows } = await sql<{ name: string; definition: string }>`
    select conname as name, pg_get_constraintdef(oid, true) as definition from pg_constraint
    where conrelid = ${table.oid} and contype in ('p', 'u', 'f', 'c', 'x')
    order by array_position(array['p', 'u', 'f', 'c', 'x'], contype::text), conname`.execute(db);
  return rows.map(({ name, definition }) => `constraint ${quoted(name)} ${definition}`);
}

/** Indexes that a constraint does not make by itself. */
async function indexStatements(db: Db, table: Relation): Promise<string[]> {
  const { rows } = await sql<{ definition: string }>`
    select pg_get_indexdef(i.indexrelid) as definition from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = ${table.oid}
      and not exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u', 'x'))
    order by c.relname`.execute(db);
  return rows.length === 0
    ? []
    : [rows.map(({ definition }) => `${definition.replaceAll('public.', '')};`).join('\n')];
}

async function functionStatements(db: Db): Promise<string[]> {
  const { rows } = await sql<{ definition: string }>`
    select pg_get_functiondef(oid) as definition from pg_proc
    where pronamespace = 'public'::regnamespace and prokind in ('f', 'p')
    order by proname, pg_get_function_identity_arguments(oid)`.execute(db);
  return rows.map(({ definition }) => `${definition.trim()};`);
}

async function triggerStatements(db: Db): Promise<string[]> {
  const { rows } = await sql<{ definition: string }>`
    select pg_get_triggerdef(t.oid, true) as definition from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where not t.tgisinternal and ${OURS} order by c.relname, t.tgname`.execute(db);
  return rows.map(({ definition }) => `${definition};`);
}

function quoted(name: string): string {
  const PLAIN = /^[a-z_][a-z0-9_]*$/;
  const RESERVED = new Set(['with', 'if', 'order', 'user', 'group', 'limit', 'offset', 'end', 'default']);
  return PLAIN.test(name) && !RESERVED.has(name) ? name : `"${name}"`;
}
