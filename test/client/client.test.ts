import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Client,
  type ClientOptions,
  createClient,
  HoldfastError,
  type Job,
  UnreachableError,
  WaitTimeoutError,
} from '../../client/src/index.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

let database: TestDatabase;
let server: ServerProcess;
let proxy: FaultProxy;
let client: Client;
/** Where nobody listens. */
let nobody: string;

const settings = () => ({ DATABASE_URL: database.url, QUEUES: 'default' });

beforeAll(async () => {
  database = await testDatabase();
  server = await startServer(settings());
  proxy = await startFaultProxy(() => server.url);
  client = clientOf();
  const gone = await startFaultProxy(() => '');
  await gone.close();
  nobody = gone.url;
});
afterAll(async () => {
  await proxy?.close();
  await stopEverything();
  await database?.close();
});
beforeEach(() => {
  proxy.decide = () => 'none';
  proxy.asked.length = 0;
});

function clientOf(options: Partial<ClientOptions> = {}): Client {
  return createClient({ server: proxy.url, ...options });
}

/** One fault for the first request that the pattern matches. */
function once(pattern: RegExp, fault: ReturnType<FaultProxy['decide']>): void {
  let done = false;
  proxy.decide = (method, path) => {
    if (done || !pattern.test(`${method} ${path}`)) return 'none';
    done = true;
    return fault;
  };
}

async function collect<Entry>(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

const asked = (pattern: RegExp) => proxy.asked.filter((one) => pattern.test(one)).length;
const value = (name: string, given: unknown = 1) => ({ name, uses: 'value', with: given });
const stuck = (name: string) => ({ name, uses: 'nobody/does', queue: 'nowhere' });

describe('a job', () => {
  it('is submitted as an object, as text and in a batch, checked, waited for, listed and deleted', async () => {
    const job = await client.submit(
      { ...value('hello', { a: 1 }), labels: { by: 'object' } },
      { waitMs: 10_000 },
    );
    expect(job).toMatchObject({ name: 'hello', status: 'succeeded', steps: { total: 1, succeeded: 1 } });
    const text = 'name: written\nuses: value\nwith: {a: 2}\n';
    const written = await client.submit(text, { contentType: 'application/yaml' });
    const ended = await client.wait(written.id, { timeoutMs: 10_000 });
    expect(ended.status).toBe('succeeded');
    expect((await client.step(ended.id, 'main')).output).toEqual({ a: 2 });

    const { data } = await client.submitBatch([value('one'), value('two'), value('three')]);
    await Promise.all(data.map(({ id }) => client.wait(id)));
    const names: string[] = [];
    for await (const { name } of client.listAll({ status: ['succeeded'], limit: 2 })) names.push(name);
    expect(names.sort()).toEqual(['hello', 'one', 'three', 'two', 'written']);
    expect((await client.list({ label: ['by:object'] })).data.map(({ id }) => id)).toEqual([job.id]);

    expect((await client.validate(value('checked'))).plan).toEqual([['main']]);
    const definition = await client.definition(job.id);
    expect((await client.submit(definition)).name).toBe('hello');
    expect(await client.remove(job.id)).toMatchObject({ job_id: job.id });
    expect(await client.cleanup({ days: 1, dry_run: true })).toMatchObject({ deleted_count: 0, more: false });
    expect(await client.health()).toMatchObject({ status: 'ok', database: { ok: true } });
  });

  it('is watched from change to change until it is over', async () => {
    const { id } = await client.submit({
      name: 'watched',
      steps: [
        { name: 'a', uses: 'value' },
        { name: 'b', needs: ['a'], uses: 'wait', with: { for: '300ms' } },
      ],
    });
    const seen: Job[] = [];
    for await (const job of client.watch(id, { includeSteps: true })) seen.push(job);
    const versions = seen.map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toMatchObject({ status: 'succeeded', progress: 1, steps: { succeeded: 2 } });
    expect(seen.at(-1)?.steps.data?.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(await client.getChanged(id, versions.at(-1) as number)).toBeNull();
    expect(await client.getChanged(id, 1)).toMatchObject({ id });
    const steps: string[] = [];
    for await (const { name } of client.allSteps(id, { limit: 1 })) steps.push(name);
    expect(steps).toEqual(['a', 'b']);
  });

  it('is paused, resumed, cancelled and retried', async () => {
    const { id } = await client.submit(stuck('steered'));
    expect((await client.pause(id)).status).toBe('paused');
    expect((await client.resume(id)).status).toBe('queued');
    expect(await client.cancel(id, 'wrong input')).toMatchObject({
      status: 'cancelled',
      reason: 'wrong input',
    });
    expect((await client.retry(id)).status).toBe('queued');
    expect((await client.cancel(id)).status).toBe('cancelled');
  });

  it('is waited for no longer than was said, and never after the signal', async () => {
    const { id } = await client.submit(stuck('endless'));
    await expect(client.wait(id, { timeoutMs: 300 })).rejects.toThrow(WaitTimeoutError);
    const stop = new AbortController();
    const waiting = client.wait(id, { signal: stop.signal });
    await until(() => asked(/GET .*wait=/) > 1);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    const watching = client.watch(id, { signal: AbortSignal.timeout(300) });
    await watching.next();
    await expect(watching.next()).rejects.toMatchObject({ name: 'TimeoutError' });
    await client.cancel(id);
  });
});

describe('a log', () => {
  it('is read in parts, and followed from attempt to attempt as it comes', async () => {
    const run = 'echo "é $HOLDFAST_ATTEMPT"; sleep 0.4; echo end; [ "$HOLDFAST_ATTEMPT" = 2 ]';
    const retry = { max_attempts: 2, delay: '100ms', jitter: false };
    const { id } = await client.submit({ name: 'talks', uses: 'shell', with: { run }, retry });
    const texts: [number, string][] = [];
    for await (const { attempt, text } of client.followLog(id, 'main')) texts.push([attempt, text]);
    const whole = (attempt: number) =>
      texts.flatMap(([number, text]) => (number === attempt ? text : [])).join('');
    expect(whole(1)).toBe('é 1\nend\n');
    expect(whole(2)).toBe('é 2\nend\n');
    expect(texts.length).toBeGreaterThan(2);

    const first = await client.log(id, 'main', { attempt: 1 });
    expect(first).toMatchObject({ text: 'é 1\nend\n', attempt: 1, ended: true, nextOffset: 9 });
    expect((await client.log(id, 'main', { attempt: 1, offset: 5 })).text).toBe('end\n');
    expect(await client.jobLog(id)).toContain('main#2 | end');
  });

  it('of a step that never starts ends with the job', async () => {
    const { id } = await client.submit(stuck('silent'));
    const parts = collect(client.followLog(id, 'main'));
    await until(() => asked(/GET .*\/log/) > 0);
    await client.cancel(id);
    expect(await parts).toEqual([]);
  });
});

describe('a refusal', () => {
  it('says all that the server said, and is not asked for again', async () => {
    const error = await client
      .submit({ name: 'bad', steps: [{ name: 'a', uses: 'value', needs: ['b'] }] })
      .catch((refused: unknown) => refused);
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({ status: 422, code: 'invalid_definition', name: 'HoldfastError' });
    expect((error as HoldfastError).errors).toMatchObject([
      { pointer: '/steps/0/needs/0', code: 'unknown_need' },
    ]);
    expect((error as HoldfastError).requestId).toMatch(/^[\w-]{36}$/);
    expect(asked(/POST/)).toBe(1);
    const missing = client.get('019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a10');
    await expect(missing).rejects.toMatchObject({ status: 404, code: 'job_not_found' });
    await expect(client.get('a/../b?c')).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('by something that is no Holdfast is told as such', async () => {
    proxy.decide = () => ({ status: 200, body: '<html>hello</html>' });
    await expect(client.get('x')).rejects.toThrow(/is it a Holdfast server/);
    proxy.decide = () => ({ status: 404, body: 'nothing here' });
    await expect(client.get('x')).rejects.toMatchObject({ status: 404, code: 'http_error', requestId: '' });
    proxy.decide = () => ({ status: 301, headers: { location: '/elsewhere' } });
    await expect(clientOf({ patienceMs: 0 }).get('x')).rejects.toThrow(UnreachableError);
  });
});

describe('an answer that got lost', () => {
  it('of a submit makes no second job', async () => {
    once(/POST/, 'cut-after');
    const { id } = await client.submit(value('lost-once'), { waitMs: 5_000 });
    expect(asked(/POST/)).toBe(2);
    expect((await client.list({ name: 'lost-once' })).data.map((job) => job.id)).toEqual([id]);
    once(/POST/, 'cut-after');
    await client.submitBatch([value('lost-batch')]);
    expect((await client.list({ name: 'lost-batch' })).data).toHaveLength(1);
  });

  it('of a retry never retries twice: the job tells what became of it', async () => {
    const { id } = await client.submit(stuck('retried'));
    const cancelled = await client.cancel(id);
    once(/retry/, 'cut-after');
    expect(await client.retry(id)).toMatchObject({ status: 'queued', version: cancelled.version + 1 });
    expect(asked(/retry/)).toBe(1);
    await client.cancel(id);
    once(/retry/, 'cut-before');
    await expect(client.retry(id)).rejects.toThrow(UnreachableError);
    expect(asked(/retry/)).toBe(2);
    // A server that is leaving says that it did nothing.
    once(/retry/, { status: 503, headers: problem, body: '{"code":"shutting_down","status":503}' });
    expect((await client.retry(id)).status).toBe('queued');
    await client.cancel(id);
  });

  it('of a deletion counts as done once the job is gone', async () => {
    const { id } = await client.submit(value('deleted'), { waitMs: 5_000 });
    once(/DELETE/, 'cut-after');
    expect(await client.remove(id)).toMatchObject({ job_id: id });
    await expect(client.remove(id)).rejects.toMatchObject({ code: 'job_not_found' });
  });

  const problem = { 'content-type': 'application/problem+json' };
});

describe('servers that do not answer', () => {
  it('are asked again after the time they name, and left for another one', async () => {
    const busy = { status: 429, headers: { 'retry-after': '1' } };
    once(/GET/, busy);
    const started = performance.now();
    await client.list();
    expect(performance.now() - started).toBeGreaterThan(990);

    const two = clientOf({ server: [nobody, `${proxy.url}/`] });
    await two.list();
    await two.list();
    const broken = clientOf({ server: [`${proxy.url}/`, server.url] });
    proxy.decide = () => ({ status: 503 });
    proxy.asked.length = 0;
    await broken.list();
    await broken.list();
    expect(asked(/GET/)).toBe(1);
  });

  it('are given up when patience is over, and after the time that an answer may take', async () => {
    const away = clientOf({ server: nobody, patienceMs: 400 });
    const refused = await away.list().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UnreachableError);
    expect(refused).toMatchObject({ sent: false, servers: [nobody] });
    expect((refused as Error).message).toMatch(/ECONNREFUSED/);
    const both = clientOf({ server: [nobody, `${nobody}/again`], patienceMs: 0 });
    await expect(both.submit(value('none'))).rejects.toThrow(/none of 2 servers answers/);
    proxy.decide = () => 'hang';
    const slow = clientOf({ timeoutMs: 200, patienceMs: 0 });
    await expect(slow.list()).rejects.toMatchObject({ name: 'UnreachableError', sent: true });
  });

  it('are waited for through a restart', async () => {
    const { id } = await client.submit({ name: 'survivor', uses: 'wait', with: { for: '2s' } });
    const waiting = client.wait(id, { timeoutMs: 25_000 });
    const watching = collect(client.watch(id));
    await until(() => asked(/GET .*wait=/) >= 2);
    await server.kill('SIGKILL');
    server = await startServer(settings());
    expect((await waiting).status).toBe('succeeded');
    expect((await watching).at(-1)?.status).toBe('succeeded');
  });

  it('are named by a URL that can be asked', () => {
    for (const bad of ['127.0.0.1:3000', 'nonsense', 'ftp://x', 'http://me:secret@x', []])
      expect(() => createClient({ server: bad }), String(bad)).toThrow(TypeError);
  });
});
