import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { type Anything, type TestApi, testApi } from '../support/api.ts';

let api: TestApi;
/** Three servers on one database: each writes one batch at a time. */
let servers: TestApi[];
beforeAll(async () => {
  api = await testApi();
  const more = [1, 2].map(() => {
    const pool = createPool({ connection: api.database.url, max: 10, applicationName: 'holdfast test' });
    return testApi({ store: { db: createDatabase(pool), wakeUps: createWakeUps() } });
  });
  servers = [api, ...(await Promise.all(more))];
});
afterAll(async () => {
  for (const { store } of servers.slice(1)) await store.db.destroy();
  for (const server of servers.toReversed()) await server.close();
});
const serverOf = (n: number) => servers[n % servers.length] as TestApi;

const hello = { name: 'hello', uses: 'value', with: { said: 'hi' } };
const numbered = (count: number, name = 'many') =>
  Array.from({ length: count }, (_, n) => ({ name, uses: 'value', input: { n } }));
const batch = (jobs: unknown, headers: Record<string, string> = {}, server = api) =>
  server.call('POST', '/v1/jobs/batch', { headers, body: { jobs } });
const countOf = async (name: string): Promise<number> =>
  (await api.call('GET', `/v1/jobs?name=${name}&include=total&limit=1`)).json.total;

describe('POST /v1/jobs/batch', () => {
  test('stores all jobs and answers with them, in order', async () => {
    const answer = await batch([
      { name: 'first', priority: 5, uses: 'value', input: [1] },
      { name: 'second', delay: '1h', steps: [hello, { name: 'two', uses: 'value', needs: ['hello'] }] },
      { name: 'third', run_at: '2090-01-01T00:00:00Z', uses: 'value', if: 'false' },
    ]);

    expect(answer.status).toBe(202);
    expect(answer.json.data).toMatchObject([
      { name: 'first', status: 'queued', priority: 5, input: [1], steps: { total: 1, ready: 1 }, version: 1 },
      { name: 'second', status: 'scheduled', steps: { total: 2, pending: 2 } },
      { name: 'third', status: 'succeeded', run_at: '2090-01-01T00:00:00.000Z', steps: { skipped: 1 } },
    ]);
    for (const job of answer.json.data) {
      const { json } = await api.call('GET', `/v1/jobs/${job.id}`);
      expect(json).toEqual(job);
    }
    const [, second] = answer.json.data;
    const waits = Date.parse(second.run_at) - Date.parse(second.created_at);
    expect(waits).toBe(3_600_000);
    const steps = await api.call('GET', `/v1/jobs/${second.id}/steps`);
    expect(steps.json.data).toMatchObject([{ name: 'hello' }, { name: 'two', needs: ['hello'] }]);
  });

  test('takes a thousand jobs at once, in order', async () => {
    const from = performance.now();
    const answer = await batch(numbered(LIMITS.jobsPerBatch, 'thousand'));
    process.stderr.write(`a batch of 1,000 jobs: ${Math.round(performance.now() - from)} ms\n`);
    expect(answer.status).toBe(202);
    expect(answer.json.data.map((job: Anything) => job.input.n)).toEqual([...Array(1000).keys()]);
    expect(await countOf('thousand')).toBe(1000);
  });

  test('tells at once what is wrong in all jobs, with pointers into the body, and stores nothing', async () => {
    const wrong = {
      name: 'wrong',
      steps: [hello, { name: 'b', uses: 'value', needs: ['nobody'] }],
    };
    const answer = await batch([
      { ...hello, name: 'wrong' },
      wrong,
      { ...hello, name: 'wrong', nmae: 'x' },
      5,
    ]);
    expect([answer.status, answer.json.code]).toEqual([422, 'invalid_definition']);
    expect(answer.json.errors).toMatchObject([
      { pointer: '/jobs/1/steps/1/needs/0', code: 'unknown_need' },
      { pointer: '/jobs/2/nmae', code: 'unknown_field' },
      { pointer: '/jobs/3', code: 'invalid_value' },
    ]);
    expect(answer.json.detail).toContain('3 things are wrong');
    expect(await countOf('wrong')).toBe(0);
  });

  test('tells the lines of what is wrong', async () => {
    const body = `{"jobs": [\n${JSON.stringify(hello)},\n{"name": "x",\n "usse": "value"}\n]}`;
    const headers = { 'content-type': 'application/json' };
    const answer = await api.call('POST', '/v1/jobs/batch', { headers, body });
    expect(answer.json.errors[0]).toMatchObject({ pointer: '/jobs/1/usse', line: 4 });
  });

  test('tells a hundred things and no more', async () => {
    const answer = await batch(Array.from({ length: 300 }, () => ({ name: 'wrong' })));
    expect(answer.json.errors).toHaveLength(100);
  });

  test('warns in each job of what nobody here can run', async () => {
    const answer = await batch([hello, { name: 'x', uses: 'resize' }, hello, { name: 'x', uses: 'resize' }]);
    expect(answer.status).toBe(202);
    expect(
      answer.json.data.map((job: Anything) => job.warnings?.map(({ pointer }: Anything) => pointer)),
    ).toEqual([undefined, ['/jobs/1/uses'], undefined, ['/jobs/3/uses']]);
  });

  test.each<[string, unknown, string, string]>([
    ['a list', [hello], '', 'invalid_value'],
    ['no jobs', {}, '', 'missing_field'],
    ['a job instead of a list', { jobs: hello }, '/jobs', 'invalid_value'],
    ['an empty list', { jobs: [] }, '/jobs', 'no_jobs'],
    ['a field beside', { jobs: [hello], wait: '5s' }, '/wait', 'unknown_field'],
    ['too many jobs', { jobs: numbered(1001) }, '/jobs', 'too_many_jobs'],
  ])('refuses %s', async (_what, body, pointer, code) => {
    const answer = await api.call('POST', '/v1/jobs/batch', { body });
    expect([answer.status, answer.json.code]).toEqual([422, 'invalid_definition']);
    expect(answer.json.errors).toEqual([expect.objectContaining({ pointer, code })]);
  });

  test('refuses more steps or needs than a transaction has time for, naming the limit', async () => {
    const steps = Array.from({ length: 10_000 }, (_, n) => ({ name: `s${n}`, uses: 'value' }));
    const wide = await batch([...Array(10).fill({ name: 'big', steps }), hello]);
    expect(wide.json.errors).toMatchObject([{ pointer: '/jobs', code: 'too_many_steps' }]);
    expect(wide.json.detail).toContain('100000 steps');
    const needs = Array.from({ length: 1000 }, (_, n) => `s${n}`);
    const dense = Array.from({ length: 100 }, (_, n) => ({ name: `d${n}`, uses: 'value', needs }));
    const jobs = Array(6).fill({ name: 'big', steps: [...steps.slice(0, 1000), ...dense] });
    const deep = await batch(jobs);
    expect(deep.json.errors).toMatchObject([{ pointer: '/jobs', code: 'too_many_needs' }]);
    expect(await countOf('big')).toBe(0);
  });

  test('reads JSON alone, up to 32 MiB, and waits for nothing', async () => {
    const yaml = await api.call('POST', '/v1/jobs/batch', {
      headers: { 'content-type': 'application/yaml' },
      body: 'jobs: []',
    });
    expect([yaml.status, yaml.json.code]).toEqual([415, 'unsupported_media_type']);
    const large = await batch([{ ...hello, input: 'x'.repeat(LIMITS.batchBodyBytes) }]);
    expect([large.status, large.json.code]).toEqual([413, 'payload_too_large']);
    expect(large.json.detail).toContain('32 MiB');
    const waits = await api.call('POST', '/v1/jobs/batch?wait=5s', { body: { jobs: [hello] } });
    expect([waits.status, waits.json.code]).toEqual([400, 'invalid_query']);
  });

  test('is never the id of a job', async () => {
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const answer = await api.call(method, '/v1/jobs/batch');
      expect([answer.status, answer.headers.allow], method).toEqual([405, 'POST']);
    }
  });

  test('stores nothing when it breaks off in the middle', async () => {
    const { pool } = api.database;
    // The second part of the batch meets a database that does not take it.
    await pool.query(`create function refuse_last() returns trigger language plpgsql as $$
      begin if new.name = 'refused' then raise exception 'no' using errcode = '57014'; end if; return new; end $$`);
    await pool.query(
      'create trigger refuse_last before insert on step for each row execute function refuse_last()',
    );
    try {
      const steps = Array.from({ length: 5_000 }, (_, n) => ({ name: `s${n}`, uses: 'value' }));
      const last = { name: 'half', steps: [{ name: 'refused', uses: 'value' }] };
      const headers = { 'idempotency-key': 'half' };
      const answer = await batch([{ name: 'half', steps }, last], headers);
      expect([answer.status, answer.json.code]).toEqual([503, 'database_unavailable']);
      expect(await countOf('half')).toBe(0);
      const left = await pool.query(`select 1 from step where name = 's4999'`);
      expect(left.rows).toEqual([]);
      await pool.query('drop trigger refuse_last on step');
      const again = await batch([{ name: 'half', steps }, last], headers);
      expect([again.status, again.headers['idempotency-replayed']]).toEqual([202, undefined]);
      expect(await countOf('half')).toBe(2);
    } finally {
      await pool.query('drop trigger if exists refuse_last on step');
    }
  });
});

describe('Idempotency-Key of a batch', () => {
  test('gives the same jobs for the same body', async () => {
    const headers = { 'idempotency-key': 'batch-1' };
    const first = await batch(numbered(20), headers);
    const again = await batch(
      numbered(20).map(({ name, uses, input }) => ({ input, uses, name })),
      headers,
    );
    expect([first.status, first.headers['idempotency-replayed']]).toEqual([202, undefined]);
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([200, 'true']);
    expect(again.json).toEqual(first.json);
  });

  test('refuses another body, also one with a job more, fewer or in another place', async () => {
    const headers = { 'idempotency-key': 'batch-2' };
    const jobs = numbered(3, 'key-2');
    await batch(jobs, headers);
    for (const other of [[...jobs, hello], jobs.slice(0, 2), jobs.slice(0, 1), jobs.toReversed()]) {
      const answer = await batch(other, headers);
      expect([answer.status, answer.json.code]).toEqual([422, 'idempotency_conflict']);
    }
    expect(await countOf('key-2')).toBe(3);
  });

  test('is not shared with a single submit, whoever comes first', async () => {
    const single = (key: string) =>
      api.call('POST', '/v1/jobs', {
        headers: { 'idempotency-key': key },
        body: { ...hello, name: 'shared' },
      });
    const many = (key: string) => batch([{ ...hello, name: 'shared' }], { 'idempotency-key': key });
    for (const [first, second, key] of [
      [single, many, 'shared-1'],
      [many, single, 'shared-2'],
    ] as const) {
      expect((await first(key)).status).toBe(202);
      const answer = await second(key);
      expect([answer.status, answer.json.code]).toEqual([422, 'idempotency_conflict']);
      expect((await first(key)).status).toBe(200);
    }
    expect(await countOf('shared')).toBe(2);
  });

  test('gives the jobs once to twelve who send the batch at once, to several servers', async () => {
    const headers = { 'idempotency-key': 'batch-3' };
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => batch(numbered(200, 'at-once'), headers, serverOf(n))),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([...Array(11).fill(200), 202]);
    const ids = answers.map((answer) => answer.json.data.map((job: Anything) => job.id).join());
    expect(new Set(ids).size).toBe(1);
    expect(await countOf('at-once')).toBe(200);
  });

  test('gives the jobs once where a batch takes several statements', async () => {
    const steps = Array.from({ length: 3_000 }, (_, n) => ({ name: `s${n}`, uses: 'value' }));
    const jobs = Array(3).fill({ name: 'in-parts', steps });
    const headers = { 'idempotency-key': 'in-parts' };
    const answers = await Promise.all(servers.map((server) => batch(jobs, headers, server)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 200, 202]);
    expect(await countOf('in-parts')).toBe(3);
    const stored = await api.database.pool.query(
      `select count(*)::int4 as steps from step join job on job.id = job_id where job.name = 'in-parts'`,
    );
    expect(stored.rows).toEqual([{ steps: 9_000 }]);
  });

  test('keeps nobody else waiting while a batch waits for its key', async () => {
    const headers = { 'idempotency-key': 'held' };
    const holder = await api.database.pool.connect();
    const own = serverOf(1);
    try {
      await holder.query('begin');
      await holder.query(
        `insert into job (id, name, status, definition_hash, idempotency_key, timeout_ms, steps_total, steps_ready,
           created_at, deadline_at)
         values (gen_random_uuid(), 'held', 'queued', 'other', 'held', 1, 1, 1, now(), now())`,
      );
      const sent = Array.from({ length: 15 }, () => batch([{ ...hello, name: 'held' }], headers, own));
      await vi.waitFor(async () => {
        const { rows } = await holder.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        expect(rows.length).toBe(1);
      }, 10_000);
      const from = performance.now();
      for (let n = 0; n < 10; n += 1) await own.call('GET', '/v1/jobs?limit=1');
      // A wait for a lock ends after two seconds, and is then begun anew.
      expect(performance.now() - from).toBeLessThan(1_500);
      await holder.query('rollback');
      const statuses = (await Promise.all(sent)).map((answer) => answer.status);
      expect(statuses.sort()).toEqual([...Array(14).fill(200), 202]);
    } finally {
      await holder.query('rollback');
      holder.release();
    }
  });

  test('gives the jobs to one of those who use a key for a batch and a single submit at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const headers = { 'idempotency-key': `race-${round}` };
      const name = `race-${round}`;
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) =>
          n % 2 === 0
            ? batch(numbered(50, name), headers, serverOf(n))
            : serverOf(n).call('POST', '/v1/jobs', { headers, body: { ...hello, name } }),
        ),
      );
      const statuses = answers.map((answer) => answer.status).sort();
      expect(statuses).toEqual([200, 200, 200, 202, 422, 422, 422, 422]);
      expect([1, 50]).toContain(await countOf(name));
    }
  });

  test('leaves out the jobs that were deleted since, and is free once all are', async () => {
    const headers = { 'idempotency-key': 'batch-4' };
    const jobs = ['a', 'b', 'c'].map((name) => ({ name, uses: 'value', if: 'false' }));
    const first = (await batch(jobs, headers)).json.data;
    for (const [index, left] of [['b', 'c'], ['c']].entries()) {
      await api.call('DELETE', `/v1/jobs/${first[index].id}`);
      const again = await batch(jobs, headers);
      expect(again.status).toBe(200);
      expect(again.json.data.map((job: Anything) => job.name)).toEqual(left);
    }
    await api.call('DELETE', `/v1/jobs/${first[2].id}`);
    const anew = await batch(jobs, headers);
    expect(anew.status).toBe(202);
    expect(anew.json.data).toHaveLength(3);
  });
});

test('a batch is announced once it is stored, all jobs of it', async () => {
  const { store } = api;
  const heard: string[] = [];
  const seen: number[] = [];
  const stop = [
    store.wakeUps.onJobsChanged((ids) => heard.push(`${ids.length} jobs`)),
    store.wakeUps.onStepsReady(() => heard.push('ready')),
    store.wakeUps.onSomethingDue(() => heard.push('due')),
  ];
  store.observe = (drafts) => seen.push(...drafts.map(({ job }) => job.version));
  try {
    await batch([...numbered(3, 'heard'), { ...hello, delay: '1s' }]);
    expect(heard.sort()).toEqual(['4 jobs', 'due', 'ready']);
    expect(seen).toEqual([1, 1, 1, 1]);
    const headers = { 'idempotency-key': 'heard' };
    await batch([hello], headers);
    heard.length = 0;
    await batch([hello], headers);
    await batch([{ ...hello, name: 5 }]);
    expect(heard).toEqual([]);
  } finally {
    for (const end of stop) end();
    delete store.observe;
  }
});

test('a batch lets other requests through while it is checked', async () => {
  // Each job takes 5 ms to check: a second and a half in all.
  const slowly = () => {
    for (const until = performance.now() + 5; performance.now() < until; );
    return [];
  };
  const value = new Set(['value']);
  const own = await testApi({ actionChecks: { known: value, builtin: value, checkWith: slowly } });
  try {
    let over = false;
    const sent = own
      .call('POST', '/v1/jobs/batch', { body: { jobs: Array(300).fill(hello) } })
      .finally(() => {
        over = true;
      });
    let longest = 0;
    while (!over) {
      const from = performance.now();
      await own.call('GET', '/livez');
      longest = Math.max(longest, performance.now() - from);
    }
    expect((await sent).status).toBe(202);
    expect(longest).toBeLessThan(750);
  } finally {
    await own.close();
  }
});
