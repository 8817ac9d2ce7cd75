import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { submitGraph } from '../engine/work.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  await submitGraph({ db: database.db, wakeUps: createWakeUps() }, { only: [] });
});
afterAll(() => database.close());

const JOBS = 10_000;

/** So many jobs like the first one, each with a label of its own and one of two that many share. */
async function insertLabelled(round: number): Promise<void> {
  const { rows } = await sql<{ names: string }>`
    select string_agg(quote_ident(attname), ', ') as names from pg_attribute
    where attrelid = 'job'::regclass and attnum > 0 and attname not in ('id', 'labels')`.execute(database.db);
  const others = sql.raw(rows[0]?.names ?? '');
  await sql`insert into job (id, labels, ${others})
    select gen_random_uuid(), jsonb_build_object('run', ${round} || '-' || i, 'team', i % 2), ${others}
    from job, generate_series(1, ${sql.lit(JOBS)}) i where labels = '{}'`.execute(database.db);
  await sql`vacuum analyze job`.execute(database.db);
}

async function indexBytes(): Promise<number> {
  const { rows } = await sql<{ bytes: string }>`
    select pg_relation_size('job_by_label_key') as bytes`.execute(database.db);
  return Number(rows[0]?.bytes);
}

// As jobs are listed.
const find = (labels: object) => sql`select id from job where labels @> ${JSON.stringify(labels)}::jsonb
  and label_keys(labels) @> label_keys(${JSON.stringify(labels)}::jsonb)`;

async function planOf(query: ReturnType<typeof sql>): Promise<string> {
  const { rows } = await sql<{ 'QUERY PLAN': string }>`explain ${query}`.execute(database.db);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

describe('the index of labels', () => {
  it('does not grow with labels whose jobs are gone', async () => {
    const sizes: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      await insertLabelled(round);
      await sql`delete from job where labels <> '{}'`.execute(database.db);
      await sql`vacuum job`.execute(database.db);
      sizes.push(await indexBytes());
    }
    expect(sizes[3]).toBeLessThanOrEqual((sizes[1] as number) * 1.1);
  });

  it('finds a rare label, and all that jobs were asked for', async () => {
    await insertLabelled(9);
    expect((await find({ run: '9-77' }).execute(database.db)).rows).toHaveLength(1);
    expect((await find({ run: '9-77', team: 0 }).execute(database.db)).rows).toHaveLength(0);
    expect(await planOf(find({ run: '9-77' }))).toContain('job_by_label_key');
  });

  it('is left alone for the newest jobs of a label that many share', async () => {
    const page = sql`${find({ team: 0 })} order by created_at desc, id desc limit 51`;
    expect((await page.execute(database.db)).rows).toHaveLength(51);
    const plan = await planOf(page);
    expect(plan).toContain('job_by_age');
    expect(plan).not.toContain('Sort');
  });
});
