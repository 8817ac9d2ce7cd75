import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type ActionContext,
  ClaimEnded,
  type Client,
  createClient,
  type Step,
  StepError,
  Worker,
  type WorkerEvent,
  type WorkerOptions,
} from '../../client/src/index.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

let database: TestDatabase;
let server: ServerProcess;
let proxy: FaultProxy;
let client: Client;
let workers: Worker[] = [];
let events: WorkerEvent[] = [];

// A claim that expires is given back soon, also right after the start.
const settings = () => ({ DATABASE_URL: database.url, CLAIM_TTL: '2s' });

beforeAll(async () => {
  database = await testDatabase();
  server = await startServer(settings());
  proxy = await startFaultProxy(() => server.url);
  client = createClient({ server: server.url, patienceMs: 20_000 });
});
afterAll(async () => {
  await proxy?.close();
  await stopEverything();
  await database?.close();
});
beforeEach(() => {
  proxy.decide = () => 'none';
  proxy.asked.length = 0;
  events = [];
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop({ graceMs: 0 })));
  workers = [];
});

type Actions = WorkerOptions['actions'];

function workerOf(actions: Actions, options: Partial<WorkerOptions> = {}): Worker {
  const onEvent = (event: WorkerEvent) => void events.push(event);
  // Claims expire where a test wants them to, not because this machine is busy.
  const usual = { server: proxy.url, onEvent, handleSignals: false, ttlMs: 30_000 };
  const worker = new Worker({ ...usual, actions, ...options });
  workers.push(worker);
  return worker;
}

async function start(actions: Actions, options: Partial<WorkerOptions> = {}): Promise<Worker> {
  const worker = workerOf(actions, options);
  await worker.start();
  return worker;
}

const asked = (pattern: RegExp) => proxy.asked.filter((one) => pattern.test(one)).length;
const heard = (event: string) => events.filter((one) => one.event === event);

/** An action that says when it runs and ends when it is told to, whatever its signal says. */
function held() {
  const runs: (ActionContext & { end(output?: unknown): void })[] = [];
  const action = (context: ActionContext) =>
    new Promise((resolve) => {
      runs.push({ ...context, end: resolve });
    });
  return { action, runs };
}

/** The same, but it heeds its signal. */
function heeding() {
  const runs: ActionContext[] = [];
  const action = (context: ActionContext) =>
    new Promise((_resolve, reject) => {
      runs.push(context);
      context.signal.addEventListener('abort', () => reject(context.signal.reason));
    });
  return { action, runs };
}

async function stepsOf(id: string): Promise<Step[]> {
  const steps: Step[] = [];
  for await (const step of client.allSteps(id)) steps.push(step);
  return steps;
}

/** A worker's own entry in the list of the server. */
async function entryOf(name: string) {
  for await (const entry of client.allWorkers()) if (entry.name === name) return entry;
  return undefined;
}

describe('a worker', () => {
  it('runs a chain with one request a step, and gives each step what it needs', async () => {
    await start({
      echo: ({ input, log, claim }) => {
        log(`attempt ${claim.attempt} of ${claim.job_name}`);
        return { got: input };
      },
      quiet: ({ input }) => input,
    });
    const chain = Array.from({ length: 8 }, (_, index) => ({
      name: `s${index}`,
      uses: 'quiet',
      with: index === 0 ? 1 : `\${{ steps.s${index - 1}.output + 1 }}`,
      ...(index === 0 ? {} : { needs: [`s${index - 1}`] }),
    }));
    const output = '${{ steps.s7.output }}';
    await until(() => asked(/POST .v1.claims$/) === 1);
    proxy.asked.length = 0;
    const job = await client.submit({ name: 'chain', steps: chain, output }, { waitMs: 20_000 });
    expect(job).toMatchObject({ status: 'succeeded', output: 8 });
    expect(asked(/settle/)).toBe(8);
    expect(proxy.asked.length).toBeLessThanOrEqual(10);

    const one = await client.submit({ name: 'one', uses: 'echo', with: { a: [1] } }, { waitMs: 10_000 });
    expect((await client.step(one.id, 'main')).output).toEqual({ got: { a: [1] } });
    expect((await client.log(one.id, 'main')).text).toBe('attempt 1 of one\n');
  });

  it('claims and settles many steps at once, each once, no more than it runs at a time', async () => {
    const ran: string[] = [];
    let most = 0;
    let now = 0;
    const count = async ({ claim }: ActionContext) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
      ran.push(claim.step);
    };
    await start({ count }, { concurrency: 20, prefetch: 20 });
    const fan = Array.from({ length: 300 }, (_, index) => ({ name: `s${index}`, uses: 'count' }));
    proxy.asked.length = 0;
    const job = await client.submit({ name: 'fan', steps: fan }, { waitMs: 30_000 });
    expect(job).toMatchObject({ status: 'succeeded', steps: { succeeded: 300 } });
    expect(new Set(ran).size).toBe(300);
    expect(ran.length).toBe(300);
    expect(most).toBe(20);
    expect(asked(/claims/)).toBeLessThan(100);
  });

  it('says in what way a step failed, and keeps an output that cannot be kept from coming again and again', async () => {
    const circle: Record<string, unknown> = {};
    circle['itself'] = circle;
    let deep: unknown = 1;
    for (let level = 0; level < 80; level += 1) deep = [deep];
    const outputs: Record<string, unknown> = { circle, deep, large: 'x'.repeat(300_000), big: 1n, fine: 1 };
    await start(
      {
        give: ({ input }: ActionContext<string>) => outputs[input],
        fail: ({ input, claim }: ActionContext<string>) => {
          if (input === 'plain') throw new TypeError('not so');
          if (claim.attempt === 1) throw new StepError('not yet', { code: 'busy', retryAfter: '1s' });
          throw new StepError('never', { code: 'no_image', retryable: false, details: { at: [1] } });
        },
      },
      { concurrency: 10 },
    );
    const retry = { max_attempts: 5, delay: '10ms' };
    const given = Object.keys(outputs).map((name) => ({ name, uses: 'give', with: name, retry }));
    const job = await client.submit(
      {
        name: 'failures',
        steps: [
          ...given,
          { name: 'plain', uses: 'fail', with: 'plain' },
          { name: 'said', uses: 'fail', with: 'said', retry },
        ],
      },
      { waitMs: 20_000 },
    );
    expect(job.status).toBe('failed');
    const steps = new Map((await stepsOf(job.id)).map((step) => [step.name, step]));
    for (const name of ['circle', 'deep', 'large', 'big'])
      expect(steps.get(name), name).toMatchObject({ attempt: 1, error: { code: 'output_invalid' } });
    expect(steps.get('fine')).toMatchObject({ status: 'succeeded', output: 1 });
    expect(steps.get('plain')?.error).toMatchObject({ code: 'failed', message: 'not so' });
    expect((await client.log(job.id, 'plain')).text).toMatch(/TypeError: not so\n +at /);
    expect(steps.get('said')).toMatchObject({ attempt: 2, error: { code: 'no_image', message: 'never' } });
    expect(steps.get('said')?.error?.details).toEqual({ at: [1] });
    const [first] = (await client.step(job.id, 'said')).attempts;
    expect(first).toMatchObject({ outcome: 'failed', error: { code: 'busy' } });
    const waited = Date.parse(steps.get('said')?.started_at ?? '') - Date.parse(first?.finished_at ?? '');
    expect(waited).toBeGreaterThanOrEqual(990);
  });

  it('keeps its claims for longer than they last, tells progress, and writes a long log without gap or repeat', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${'é'.repeat(index % 20)}`);
    let fault = 0;
    // Every other request about the log is lost, half of them after the server did it.
    proxy.decide = (_method, path) => {
      if (!/\/log/.test(path)) return 'none';
      fault += 1;
      return fault % 2 === 0 ? 'none' : fault % 4 === 1 ? 'cut-after' : 'cut-before';
    };
    const { action, runs } = held();
    await start({ long: action }, { ttlMs: 2_000 });
    const { id } = await client.submit({ name: 'long', uses: 'long' });
    await until(() => runs.length === 1);
    const [run] = runs as [(typeof runs)[0]];
    run.progress(0.5);
    for (const line of lines) run.log(line);
    await until(async () => (await client.get(id)).progress === 0.5);
    const begun = performance.now();
    await until(() => performance.now() - begun > 3_000);
    run.end('done');
    const job = await client.wait(id, { timeoutMs: 10_000 });
    expect((await stepsOf(id))[0]).toMatchObject({
      status: 'succeeded',
      attempt: 1,
      losses: 0,
      output: 'done',
    });
    expect(job.progress).toBe(1);
    const { text } = await client.log(id, 'main');
    expect(text.split('\n').slice(0, -1)).toEqual(lines);
    expect(runs.length).toBe(1);
  });

  it('asks again for what an answer that got lost had given it, and settles again what was settled', async () => {
    const ran: string[] = [];
    await start({ once: ({ claim }) => void ran.push(claim.step) }, { concurrency: 3 });
    let fault = 0;
    proxy.decide = (_method, path) => {
      fault += 1;
      return /settle|claims$/.test(path) && fault % 3 === 0 ? 'cut-after' : 'none';
    };
    const steps = Array.from({ length: 30 }, (_, index) => ({
      name: `s${index}`,
      uses: 'once',
      ...(index < 3 ? {} : { needs: [`s${index - 3}`] }),
    }));
    const { id } = await client.submit({ name: 'lost-answers', steps });
    await client.wait(id, { timeoutMs: 20_000 });
    expect(ran.sort()).toEqual(steps.map(({ name }) => name).sort());
    for (const step of await stepsOf(id)) expect(step).toMatchObject({ status: 'succeeded', attempt: 1 });
    expect(heard('refused')).toEqual([]);
  });
});

describe('a worker that loses a claim', () => {
  it('hears of a cancelled job, aborts the step, and writes nothing more', async () => {
    const { action, runs } = heeding();
    await start({ stay: action }, { ttlMs: 3_000 });
    const { id } = await client.submit({ name: 'cancelled', uses: 'stay' });
    await until(() => runs.length === 1);
    await client.cancel(id);
    await until(() => runs[0]?.signal.aborted === true);
    expect(runs[0]?.signal.reason).toBeInstanceOf(ClaimEnded);
    expect(runs[0]?.signal.reason).toMatchObject({ reason: 'cancelled' });
    const next = await client.submit({ name: 'next', uses: 'stay' });
    await until(() => runs.length === 2);
    await client.cancel(next.id);
    expect(asked(/settle/)).toBe(0);
    expect(heard('refused')).toEqual([]);
  });

  it('hears too late of a job that was cancelled and deleted, aborts the step, and says that it may be so', async () => {
    const { action, runs } = heeding();
    await start({ gone: action }, { ttlMs: 3_000 });
    const { id } = await client.submit({ name: 'deleted', uses: 'gone' });
    await until(() => runs.length === 1);
    // No heartbeat comes in between.
    proxy.decide = (_method, path) => (/heartbeat|extend/.test(path) ? 'cut-before' : 'none');
    await client.cancel(id);
    await client.remove(id);
    proxy.decide = () => 'none';
    await until(() => runs[0]?.signal.aborted === true);
    expect(runs[0]?.signal.reason).toMatchObject({ reason: 'lost' });
    expect(runs[0]?.signal.reason.message).toMatch('or its job was deleted');
    expect(asked(/settle/)).toBe(0);
  });

  it('aborts the step when nobody answers until the claim must be assumed lost', async () => {
    const { action, runs } = held();
    await start({ cut: action }, { ttlMs: 1_000 });
    const { id } = await client.submit({ name: 'cut-off', uses: 'cut' });
    await until(() => runs.length === 1);
    proxy.decide = () => 'cut-before';
    const since = performance.now();
    await until(() => runs[0]?.signal.aborted === true);
    expect(performance.now() - since).toBeLessThan(1_600);
    expect(runs[0]?.signal.reason).toMatchObject({ reason: 'expired' });
    // The server gives the step back; once it can be asked again, the same worker gets it anew.
    await until(async () => (await stepsOf(id))[0]?.losses === 1);
    runs[0]?.end('too late');
    proxy.asked.length = 0;
    proxy.decide = () => 'none';
    await until(() => runs.length === 2);
    expect(asked(/settle/)).toBe(0);
    runs[1]?.end('in time');
    await client.wait(id, { timeoutMs: 10_000 });
    expect((await stepsOf(id))[0]).toMatchObject({ attempt: 2, output: 'in time' });
    expect(heard('unreachable').filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(heard('reachable').length).toBeGreaterThan(0);
  });

  it('because its own process stood still, writes nothing for it', async () => {
    let runs = 0;
    const block = ({ claim }: ActionContext) => {
      runs += 1;
      const until = performance.now() + (claim.attempt === 1 ? 3_500 : 0);
      // Nothing else in this process goes on meanwhile.
      while (performance.now() < until);
      return claim.attempt;
    };
    await start({ block }, { ttlMs: 2_000 });
    const { id } = await client.submit({ name: 'stood-still', uses: 'block' });
    await client.wait(id, { timeoutMs: 20_000 });
    expect((await stepsOf(id))[0]).toMatchObject({ status: 'succeeded', attempt: 2, output: 2 });
    expect(runs).toBe(2);
    expect(heard('expired')).toHaveLength(1);
    expect(heard('refused')).toEqual([]);
  });

  it('because the attempt took too long, aborts it and leaves the rest to the server', async () => {
    const { action, runs } = heeding();
    await start({ slow: action });
    const { id } = await client.submit({
      name: 'slow',
      steps: [{ name: 'main', uses: 'slow', timeout: '1s' }],
    });
    await until(() => runs[0]?.signal.aborted === true);
    expect(runs[0]?.signal.reason).toMatchObject({ reason: 'timed_out' });
    expect((await client.wait(id, { timeoutMs: 10_000 })).status).toBe('failed');
    expect((await client.step(id, 'main')).attempts).toMatchObject([{ outcome: 'timed_out' }]);
    expect(asked(/settle/)).toBe(0);
  });
});

describe('a worker that is to stop', () => {
  it('ends what runs, gives back what waits, and leaves', async () => {
    const { action, runs } = held();
    const worker = await start({ work: action }, { concurrency: 2, prefetch: 2 });
    const steps = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, uses: 'work' }));
    const { id } = await client.submit({ name: 'drained', steps });
    // The server counts them as running before their worker has heard of them.
    await until(() => heard('claimed').length === 4);
    const stopping = worker.stop({ graceMs: 20_000 });
    // Uncharged, and at once.
    await until(async () => (await client.get(id)).steps.ready === 3);
    expect(heard('claimed')).toHaveLength(4);
    expect((await entryOf(worker.name))?.status).toBe('draining');
    for (const run of runs) run.end(run.claim.step);
    await stopping;
    const after = await stepsOf(id);
    expect(after.map(({ status }) => status).sort()).toEqual([
      'ready',
      'ready',
      'ready',
      'succeeded',
      'succeeded',
    ]);
    for (const { failures, losses } of after) expect([failures, losses]).toEqual([0, 0]);
    expect((await entryOf(worker.name))?.status ?? 'gone').toBe('gone');
    await client.cancel(id);
  });

  it('aborts what does not end in time, and gives it back uncharged', async () => {
    const [heeds, deaf] = [heeding(), held()];
    const worker = await start({ heeds: heeds.action, deaf: deaf.action }, { concurrency: 2 });
    const steps = ['heeds', 'deaf'].map((name) => ({ name, uses: name }));
    const { id } = await client.submit({ name: 'aborted', steps });
    await until(() => heeds.runs.length + deaf.runs.length === 2);
    await worker.stop({ graceMs: 100 });
    expect(deaf.runs[0]?.signal.reason).toMatchObject({ reason: 'stopping' });
    for (const step of await stepsOf(id))
      expect(step).toMatchObject({ status: 'ready', failures: 0, losses: 0 });
    await client.cancel(id);
  });

  it('because the server says so, leaves by itself', async () => {
    const { action, runs } = held();
    const drained = await start({ obey: action }, { ttlMs: 3_000 });
    const first = await client.submit({ name: 'obeying', uses: 'obey' });
    await until(() => runs.length === 1);
    const { id: drainedId } = (await entryOf(drained.name)) as { id: string };
    await client.drainWorker(drainedId);
    const second = await client.submit({ name: 'not-for-me', uses: 'obey' });
    await until(() => heard('draining').length === 1);
    runs[0]?.end();
    await until(() => heard('stopped').length === 1);
    expect((await client.wait(first.id)).status).toBe('succeeded');
    expect((await client.get(second.id)).steps.ready).toBe(1);

    const removed = await start({ obey: action }, { ttlMs: 3_000, name: 'removed' });
    await until(() => runs.length === 2);
    await client.removeWorker(((await entryOf(removed.name)) as { id: string }).id);
    await until(() => heard('stopped').length === 2);
    expect(runs[1]?.signal.reason).toBeInstanceOf(ClaimEnded);
    expect((await client.get(second.id)).steps.ready).toBe(1);
    await client.cancel(second.id);
  });
});

describe('a worker whose server', () => {
  it('forgot it registers again, and keeps its claims', async () => {
    const { action, runs } = held();
    await start({ forgotten: action }, { ttlMs: 3_000 });
    const { id } = await client.submit({ name: 'forgotten', uses: 'forgotten' });
    await until(() => runs.length === 1);
    await database.pool.query("delete from worker where kind = 'remote'");
    await until(() => heard('registered').length === 2);
    runs[0]?.end('kept');
    await client.wait(id, { timeoutMs: 10_000 });
    expect((await stepsOf(id))[0]).toMatchObject({ attempt: 1, output: 'kept' });
  });

  it('is killed and started again goes on where it was', async () => {
    const { action, runs } = held();
    await start({ patient: action }, { concurrency: 2 });
    const steps = [
      { name: 'a', uses: 'patient' },
      { name: 'b', uses: 'patient', needs: ['a'] },
    ];
    const { id } = await client.submit({ name: 'outlived', steps });
    await until(() => runs.length === 1);
    await server.kill('SIGKILL');
    runs[0]?.end('while it was away');
    server = await startServer(settings());
    client = createClient({ server: server.url, patienceMs: 20_000 });
    await until(() => runs.length === 2);
    runs[1]?.end('after');
    await client.wait(id, { timeoutMs: 10_000 });
    for (const step of await stepsOf(id)) expect(step).toMatchObject({ status: 'succeeded', attempt: 1 });
  });

  it('does not answer, or asks for a pause, asks again later each time, and says it once', async () => {
    const names = ['cut', 'busy', 'late'];
    const act = () => new Promise((resolve) => setTimeout(resolve, 1_500));
    for (const name of names) await start({ [name]: act }, { name, ttlMs: 1_000 });
    const ids = await Promise.all(names.map(async (name) => (await entryOf(name))?.id ?? ''));
    const times: number[][] = [[], [], []];
    proxy.decide = (_method, path) => {
      const index = ids.findIndex((id) => path.includes(`${id}/heartbeat`));
      if (index >= 0) times[index]?.push(performance.now());
      if (index === 0) return 'cut-before';
      if (index === 1) return { status: 503, headers: { 'retry-after': '2' } };
      return index === 2 && late.length === 1 ? { status: 503, headers: { 'retry-after': '60' } } : 'none';
    };
    const [cut, busy, late] = times as [number[], number[], number[]];
    // A claim that comes during a pause is extended all the same.
    await until(() => late.length === 1);
    const { id } = await client.submit({ name: 'late', uses: 'late' }, { waitMs: 10_000 });
    expect((await stepsOf(id))[0]).toMatchObject({ status: 'succeeded', attempt: 1, losses: 0 });
    await until(() => cut.length >= 6 && busy.length >= 2);
    const gaps = cut.map((time, index) => time - (cut[index - 1] ?? time));
    expect(gaps[5]).toBeGreaterThan(600);
    expect((busy[1] as number) - (busy[0] as number)).toBeGreaterThan(1_900);
    expect(heard('unreachable')).toHaveLength(3);
    proxy.decide = () => 'none';
    await until(() => heard('reachable').length === 3);
    expect(events.filter(({ event }) => /reachable/.test(event))).toHaveLength(6);
  });

  it('refuses it says why, and one that never answers can be left', async () => {
    const refused = workerOf({ 'Not A Name': () => 1 });
    await expect(refused.start()).rejects.toMatchObject({ status: 422, code: 'invalid_body' });
    workers = [];
    for (const bad of [
      { actions: {} },
      { actions: { a: 1 as never } },
      { actions: { a: () => 1 }, concurrency: 0 },
      { actions: { a: () => 1 }, ttlMs: 10 },
    ])
      expect(() => new Worker({ server: proxy.url, ...bad })).toThrow(TypeError);
    const actions = { a: () => 1 };
    for (const [options, message] of [
      [{}, '`server` is missing: the URL of a server'],
      [{ server: proxy.url }, '`actions` is missing: an object of functions by the name that steps use'],
      [{ server: proxy.url, actions, concurency: 2 }, '`concurency` is not an option; did you mean `conc'],
      [{ server: proxy.url, actions, handlSignal: 1 }, 'did you mean `handleSignals`?'],
      [{ server: proxy.url, actions, colour: 1 }, '`colour` is not an option; there are server, '],
    ] as [never, string][])
      expect(() => new Worker(options)).toThrow(message);
    expect(() => new Worker(undefined as never)).toThrow('`server` is missing');
    expect(() => createClient(undefined as never)).toThrow('`server` is missing');
    expect(() => createClient({ server: proxy.url, patience: 1 } as never)).toThrow('`patience` is not an');
    proxy.decide = () => 'cut-before';
    const running = workerOf({ a: () => 1 }).run();
    await until(() => heard('unreachable').length === 1);
    await workers[0]?.stop();
    await running;
  });
});
