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
    const find = (labels: object) => sql`select id from job where labels @> ${JSON.stringify(labels)}::jsonb
      and labels <> '{}' and label_keys(labels) @> label_keys(${JSON.stringify(labels)}::jsonb)`;
    expect((await find({ run: '9-77' }).execute(database.db)).rows).toHaveLength(1);
    expect((await find({ run: '9-77', team: 0 }).execute(database.db)).rows).toHaveLength(0);
    const plan = await sql<{ 'QUERY PLAN': string }>`explain ${find({ run: '9-77' })}`.execute(database.db);
    expect(plan.rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('job_by_label_key');
  });
});
