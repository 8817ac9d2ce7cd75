import { type Kysely, sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPool } from '../../src/database/connection.ts';
import type { Tables } from '../../src/database/tables.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import {
  findTroubles,
  genericStatements,
  type KnownScan,
  mostRuns,
  type Observation,
  observePlans,
} from '../support/observe-plans.ts';
import { churn, seedHistory, seedOpenWork } from '../support/seed-history.ts';
import { playLists, playReads } from './plans-reads.ts';
import { startWholeServer, type WholeServer } from './plans-server.ts';
import { playEngine } from './plans-work.ts';

/** What reads more rows than it gives or changes, and may. */
const KNOWN: readonly KnownScan[] = [
  {
    of: /^step_running$/,
    text: /claimed_by = (\$\d|any)|distinct claimed_by/,
    why: 'whose steps run: no more do than there are slots everywhere, and it is asked when a worker comes or goes',
  },
  { of: /^job$/, during: /GET .(health|readyz)/, why: 'counts up to 10,000 jobs, and no further' },
  {
    of: /^job_deadline$/,
    during: /metrics/,
    why: 'adds up the counters of open jobs, within the second that it may take',
  },
  {
    of: /^step(_pkey)?$/,
    during: /steps(\?status=|\/)/,
    why: 'goes over the steps of one job, which has no more than 10,000',
  },
  { of: /^job/, during: /include=total/, why: 'counts all that the filters admit, as was asked for' },
  {
    of: /^job_by_(age|status)$/,
    during: /^list .*label=/,
    why: 'goes through newer jobs with other labels or names, which is what the planner chooses where those are common',
  },
];

/** So often, until the database itself takes to plans for any parameters, and once by these. */
const ROUNDS = 6;
const PAGES = 4;

let database: TestDatabase;
let db: Kysely<Tables>;
let seen: Observation;
let server: WholeServer;

beforeAll(async () => {
  database = await testDatabase({ max: 1 });
  db = database.db;
  for (const table of ['job', 'step', 'attempt', 'step_log']) {
    await sql`alter table ${sql.ref(table)} set (autovacuum_enabled = off)`.execute(db);
  }
  await seedHistory(db, { jobs: 40_000, stepped: 6_000 });
  await churn(db, 3_000, 'rollback');
  // At a moment when nothing is open.
  await sql`analyze`.execute(db);
  await seedOpenWork(db);
  seen = await observePlans(db);
  server = await startWholeServer(database.url);
}, 90_000);

beforeEach(() => {
  seen.executions.length = 0;
});

afterAll(async () => {
  await server?.stop();
  seen?.stop();
  await database?.close();
});

const during = (what: string) => {
  seen.during = what;
};

describe('what is sent to a database that has seen much', () => {
  it('moves jobs by index, reading hardly more than it changes, when statistics say that nothing is open', async () => {
    for (let round = 0; round < ROUNDS; round += 1) await playEngine(server, db, during);
    expect(findTroubles(seen.executions, KNOWN)).toEqual([]);
    const often = [...mostRuns(seen.executions).values()].filter((runs) => runs >= ROUNDS);
    expect(often.length).toBeGreaterThan(30);
    expect(genericStatements(seen.executions).size).toBeGreaterThan(10);
  }, 120_000);

  it('lists jobs by index, whatever they are filtered by', async () => {
    for (let round = 0; round < ROUNDS / 2; round += 1) await playLists(server, db, during);
    expect(findTroubles(seen.executions, KNOWN)).toEqual([]);
  }, 60_000);

  it.each([
    ['name=sync', sql`name = 'sync'`],
    ['name=report-1&status=cancelled&status=succeeded', sql`name = 'report-1' and status <> 'failed'`],
    ['status=queued&status=scheduled&status=scheduled', sql`status in ('queued', 'scheduled')`],
    [
      'label=team:team-1&status=running&status=failed',
      sql`labels ->> 'team' = 'team-1' and status in ('running', 'failed')`,
    ],
  ])('lists what is admitted by %s, newest first, over all pages', async (filters, admitted) => {
    const { rows } = await sql<{ id: string }>`
      select id from job where ${admitted} order by created_at desc, id desc limit ${PAGES * 400}`.execute(
      db,
    );
    const listed: string[] = [];
    let cursor = '';
    for (let page = 0; page < PAGES; page += 1) {
      const { data, next_cursor } = await server.ask('GET', `/v1/jobs?limit=400&${filters}${cursor}`);
      listed.push(...data.map(({ id }: { id: string }) => id));
      cursor = `&cursor=${next_cursor}`;
    }
    expect(listed).toEqual(rows.map(({ id }) => id));
    expect(listed).toHaveLength(PAGES * 400);
  });

  it('reads all else by index', async () => {
    for (let round = 0; round < ROUNDS; round += 1) await playReads(server, db, during);
    expect(findTroubles(seen.executions, KNOWN)).toEqual([]);
  }, 60_000);

  it('does so when they change under statements that are prepared, to those of a time when most was open', async () => {
    await churn(db, 3_000, 'analyze');
    for (const play of [playEngine, playLists, playReads]) await play(server, db, during);
    expect(findTroubles(seen.executions, KNOWN)).toEqual([]);
  }, 120_000);

  it('does all of it as well by plans for any parameters', async () => {
    await sql`do $$ begin
      execute format('alter database %I set plan_cache_mode = force_generic_plan', current_database());
    end $$`.execute(db);
    const another = await startWholeServer(database.url);
    try {
      for (const play of [playEngine, playLists, playReads]) await play(another, db, during);
    } finally {
      await another.stop();
    }
    expect(genericStatements(seen.executions).size).toBeGreaterThan(40);
    expect(findTroubles(seen.executions, KNOWN)).toEqual([]);
  }, 120_000);

  it('would tell of a table that is read in full, and of a partial index that is', async () => {
    const pool = createPool({ connection: database.url, max: 1, applicationName: 'holdfast' });
    try {
      await pool.query(`select 1 from step where output ->> 'rows' = $1 limit 5`, ['none']);
      await pool.query(`select 1 from step where status = 'waiting' and reason = $1`, ['none']);
      await pool.query(`update job set reason = null where status = 'scheduled' and reason = $1`, ['none']);
    } finally {
      await pool.end();
    }
    expect(findTroubles(seen.executions, [])).toEqual([
      expect.stringMatching(
        /Seq Scan of step read \d+ rows in 1 loops for 0: select 1 from step where output/,
      ),
      expect.stringMatching(/Index Scan of step_waiting read 3000 rows in 1 loops for 0: select 1 from step/),
      expect.stringMatching(/read 3000 rows in 1 loops for 0: update job/),
      expect.stringMatching(/Index Scan of job_by_status read 3000 rows in 1 loops for 0: update job/),
    ]);
  });
});
