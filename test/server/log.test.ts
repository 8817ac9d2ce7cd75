import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { type LogLine, type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { isOver, submit, untilJob } from './steps-that-count.ts';

let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'debug' });
});

afterAll(async () => {
  await stopEverything();
  await database?.close();
});

async function lineWith(fields: Record<string, unknown>): Promise<LogLine> {
  const find = () =>
    server.logLines().find((line) => Object.entries(fields).every(([name, value]) => line[name] === value));
  await until(() => find() !== undefined, 5_000).catch(() => {
    throw new Error(`no line with ${JSON.stringify(fields)} in ${server.log()}`);
  });
  return find() as LogLine;
}

describe('the log of a server that does not write to a terminal', () => {
  it('is one JSON object a line, each with a level, an instant and a message', () => {
    const lines = server.logLines();
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line).toMatchObject({ level: expect.stringMatching(/^[a-z]+$/), msg: expect.any(String) });
      expect(Date.parse(line.time)).not.toBeNaN();
    }
  });

  it('says in one line where the API and its documents are', () => {
    const ready = server.logLines().filter(({ msg }) => msg.includes(server.url));
    expect(ready.map(({ msg }) => msg)).toEqual([
      `holdfast is ready: API ${server.url}/v1, docs ${server.url}/docs`,
    ]);
  });

  it('has a line for a request, with its id and that of its job', async () => {
    const headers = { 'x-request-id': 'mine-1' };
    const body = { name: 'hello', uses: 'value', with: 1 };
    const { id } = (await send(server.port, 'POST', '/v1/jobs', { headers, body })).json;
    expect(await lineWith({ request_id: 'mine-1' })).toMatchObject({
      level: 'info',
      method: 'POST',
      url: '/v1/jobs',
      status: 202,
      job_id: id,
      ms: expect.any(Number),
    });
  });

  it('has a line for a refused request, with the code of its problem', async () => {
    const headers = { 'x-request-id': 'mine-2' };
    await send(server.port, 'POST', '/v1/jobs', { headers, body: { name: 'no steps' } });
    expect(await lineWith({ request_id: 'mine-2' })).toMatchObject({ status: 422, code: expect.any(String) });
  });

  it('has a line for each move of a job and of its steps, with their ids', async () => {
    const id = await submit(server, { name: 'moves', uses: 'shell', with: { run: 'true' } });
    await untilJob(server, id, isOver);
    await lineWith({ job_id: id, status: 'succeeded', level: 'info' });
    const moves = server.logLines().filter((line) => line.job_id === id && line.method === undefined);
    const jobs = moves.filter(({ step }) => step === undefined).map(({ level, status }) => [level, status]);
    expect(jobs).toEqual([
      ['info', 'queued'],
      ['info', 'running'],
      ['info', 'succeeded'],
    ]);
    const steps = moves.filter(({ step }) => step === 'main').map(({ level, status }) => [level, status]);
    expect(steps).toEqual([
      ['debug', 'ready'],
      ['info', 'running'],
      ['info', 'succeeded'],
    ]);
    expect(moves.map(({ msg }) => String(msg).replace(/[\d.]+ m?s$/, '…'))).toEqual([
      'job moves is queued with 1 step',
      'step moves/main is ready',
      'job moves is running',
      'step moves/main is running',
      'step moves/main succeeded in …',
      'job moves succeeded in …',
    ]);
  });

  it('shows the way of a large job by tenths, and its steps at debug', async () => {
    const steps = Array.from({ length: 60 }, (_, i) => ({ name: `s${i}`, uses: 'value', with: i }));
    const id = await submit(server, { name: 'large', steps, max_parallel: 1 });
    await lineWith({ job_id: id, status: 'succeeded', level: 'info' });
    const told = server.logLines().filter(({ job_id, level }) => job_id === id && level === 'info');
    const ways = told.flatMap(({ msg }) => /: (\d+) of 60 steps are over$/.exec(String(msg))?.[1] ?? []);
    expect(ways.length).toBeGreaterThan(1);
    expect(ways.length).toBeLessThan(11);
    expect(ways.map(Number)).toEqual(ways.map(Number).sort((a, b) => a - b));
    expect(told.filter(({ step }) => step !== undefined)).toEqual([]);
    const retried = {
      name: 'again',
      uses: 'shell',
      with: { run: 'exit 3' },
      retry: { max_attempts: 2, delay: 1 },
    };
    const again = await submit(server, retried);
    expect((await lineWith({ job_id: again, status: 'waiting' })).msg).toMatch(
      /^step again\/main waits for [\d.]+ m?s after attempt 1: the script exited with 3$/,
    );
  });

  it('warns of a step that failed and of the job that fails with it, and says why', async () => {
    const id = await submit(server, {
      name: 'fails',
      uses: 'shell',
      with: { run: 'echo no such luck >&2; exit 3' },
    });
    await untilJob(server, id, isOver);
    const step = await lineWith({ job_id: id, step: 'main', status: 'failed' });
    expect(step).toMatchObject({ level: 'warn', attempt: 1, msg: expect.stringContaining('no such luck') });
    expect(await lineWith({ job_id: id, status: 'failed', level: 'warn' })).toBeDefined();
  });

  it('never shows what a script wrote or was given', async () => {
    const env = { TOKEN: 'open-sesame' };
    const id = await submit(server, { name: 'quiet', uses: 'shell', with: { run: 'echo $TOKEN', env } });
    await untilJob(server, id, isOver);
    await lineWith({ job_id: id, status: 'succeeded' });
    expect(server.log()).not.toContain('open-sesame');
  });

  it('shows a lost connection to the database in a short line', async () => {
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'holdfast'`,
    );
    await until(() => server.logLines().some(({ level, err }) => level === 'warn' && err !== undefined));
    const longest = Math.max(
      ...server
        .log()
        .split('\n')
        .map((line) => line.length),
    );
    expect(longest).toBeLessThan(3_000);
  });
});

describe('the log of a server that stops', () => {
  it('has no warning in it', async () => {
    const stopping = await startServer({ DATABASE_URL: database.url });
    await submit(stopping, { name: 'hello', uses: 'value', with: 1 });
    await stopping.kill('SIGTERM');
    const lines = stopping.logLines();
    expect(lines.filter(({ level }) => !['info', 'debug'].includes(level))).toEqual([]);
    expect(lines.at(-1)?.msg).toBe('stopped');
  });
});
