import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { runPage } from '../support/page-commands.ts';
import { ROOT, type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { allSteps, getStep, isOver, submit, untilJob } from './steps-that-count.ts';

const PAGE = readFileSync(join(ROOT, 'examples/workers/README.md'), 'utf8');
const FOLDER = join(ROOT, 'examples/workers');
/** Of the job that is drained; `npm run proof` takes 500. A bash worker starts a dozen processes for each of its steps. */
const STEPS = Number(process.env.STEPS ?? 50);
const DRAIN_MS = 30_000 + STEPS * 300;

/** What the workers say of a step once the server has taken their outcome: in bash, in Python. */
const TOLD = /^(\w+)(?:: 200 .*"outcome":"succeeded"| succeeded)/gm;

const missing = ['bash', 'curl', 'jq', 'python3'].filter((name) => spawnSync(name, ['--version']).error);
const NEEDS = missing.length === 0 ? '' : ` (skipped: there is no ${missing.join(', no ')} on this machine)`;

interface WorkerProcess {
  child: ChildProcess;
  /** What it said so far, on both outputs. */
  log(): string;
}

let database: TestDatabase;
let server: ServerProcess;
const running = new Set<WorkerProcess>();

/** `port`: where the server was before. */
async function startHoldfast(port = 0): Promise<void> {
  // Claims that expire are given back no sooner after the server's start than CLAIM_TTL.
  server = await startServer({ DATABASE_URL: database.url, CLAIM_TTL: '1s', PORT: String(port) });
}

beforeAll(async () => {
  database = await testDatabase();
  await startHoldfast();
});

afterEach(async ({ task }) => {
  for (const worker of running) {
    if (task.result?.state === 'fail') console.error(worker.log());
    worker.child.kill('SIGCONT');
    await stopWorker(worker).catch(() => worker.child.kill('SIGKILL'));
  }
});

afterAll(async () => {
  await stopEverything();
  await database?.close();
});

/** Starts a program in the clone's root, and gathers what it says. */
function follow(program: string, parameters: string[], settings: Record<string, string>): WorkerProcess {
  const { PATH = '', HOME = '', LANG = '' } = process.env;
  const child = spawn(program, parameters, {
    cwd: ROOT,
    env: { PATH, HOME, LANG, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk;
    });
  }
  return { child, log: () => said };
}

/** Starts one of the examples, and waits until it is registered. */
async function startWorker(
  program: 'worker.sh' | 'worker.py',
  name: string,
  settings: Record<string, string> = {},
): Promise<WorkerProcess> {
  const interpreter = program === 'worker.py' ? 'python3' : 'bash';
  const worker = follow(interpreter, [join(FOLDER, program), server.url, name], settings);
  running.add(worker);
  await until(() => worker.log().includes('registered'));
  return worker;
}

async function entryOf(name: string) {
  const { json } = await send(server.port, 'GET', '/v1/workers?limit=500');
  return json.data.find((entry: { name: string }) => entry.name === name);
}

/** Sends SIGTERM and waits for the end; gives the exit code. */
async function stopWorker(worker: WorkerProcess): Promise<number | null> {
  const { child } = worker;
  child.kill('SIGTERM');
  // Half as long as an idle worker's request for more takes.
  await until(() => child.exitCode !== null || child.signalCode !== null, 10_000);
  running.delete(worker);
  return child.exitCode;
}

const nap = (seconds: number) => ({ uses: 'nap', with: { seconds } });

async function untilStep(id: string, name: string, wanted: (step: { [key: string]: unknown }) => boolean) {
  await until(async () => wanted(await getStep(server, id, name)));
}

function processes(): string {
  return spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout;
}

describe('the workers among the examples', () => {
  it.each([
    ['worker.sh', 59],
    ['worker.py', 59],
    ['minimal.sh', 15],
  ])('are short: %s', (file, most) => {
    const lines = readFileSync(join(FOLDER, file), 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(most);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it('are shown by their page as they are', () => {
    expect(PAGE).toContain(readFileSync(join(FOLDER, 'minimal.sh'), 'utf8'));
  });
});

describe.skipIf(missing.length > 0)(`two workers in bash and one in Python${NEEDS}`, () => {
  it(
    `drain ${STEPS} steps, each of which counts once, though one stalls past its ttl and the server is killed`,
    async () => {
      const stalled = await startWorker('worker.sh', 'bash-1', { TTL: '1s' });
      const many = Array.from({ length: STEPS - 2 }, (_, index) => ({
        name: `s${index}`,
        needs: ['gate'],
        uses: 'word-count',
        with: { text: 'word '.repeat(index % 50) },
      }));
      const slow = { name: 'slow', ...nap(1.625) };
      const gate = { name: 'gate', needs: ['slow'], uses: 'wait', with: { for: '2s' } };
      const id = await submit(server, { name: 'drain', steps: [slow, gate, ...many] });

      // It works, and keeps its claim: both take their time.
      const keepsWorking = (list: string) => list.includes('sleep 1.625') && /sleep 0\.\d/.test(list);
      await until(() => keepsWorking(processes()));
      stalled.child.kill('SIGSTOP');
      const others = await Promise.all([
        startWorker('worker.sh', 'bash-2'),
        startWorker('worker.py', 'python'),
      ]);
      await untilStep(id, 'slow', ({ status }) => status === 'succeeded');
      stalled.child.kill('SIGCONT');
      await until(() => /^slow: 409 .*"code":"claim_lost"/m.test(stalled.log()));

      await untilJob(server, id, (job) => job.steps.succeeded > STEPS / 4, DRAIN_MS);
      await server.kill('SIGKILL');
      await startHoldfast(server.port);
      expect(await untilJob(server, id, isOver, DRAIN_MS)).toMatchObject({
        status: 'succeeded',
        steps: { succeeded: STEPS },
      });
      const three = [stalled, ...others];
      expect(three.map(({ child }) => child.exitCode)).toEqual([null, null, null]);

      const steps = await allSteps(server, id);
      const outputs = new Map(steps.map(({ name, output }) => [name, output]));
      expect(outputs.get('slow').worker).not.toBe('bash-1');
      for (const [index, { name }] of many.entries())
        expect(outputs.get(name)).toMatchObject({ step: name, words: index % 50 });
      const took = new Set(many.map(({ name }) => outputs.get(name).worker));
      expect([...took].sort()).toEqual(['bash-1', 'bash-2', 'python']);
      // By the workers' own account: no two of them were told that the same step succeeded by them.
      const told = () => three.flatMap(({ log }) => [...log().matchAll(TOLD)].map(([, name]) => name));
      await until(() => told().length >= STEPS - 1);
      expect(told().sort()).toEqual(['slow', ...many.map(({ name }) => name)].sort());
    },
    3 * DRAIN_MS,
  );

  it('leave when told to: idle ones at once, a bash worker after its step, whose claim it extends meanwhile', async () => {
    const idle = await Promise.all([startWorker('worker.sh', 'idle-1'), startWorker('worker.py', 'idle-2')]);
    expect(await Promise.all(idle.map(stopWorker))).toEqual([0, 0]);
    expect(await entryOf('idle-1')).toMatchObject({ status: 'gone', running: 0 });

    const busy = await startWorker('worker.sh', 'busy', { TTL: '2s' });
    const id = await submit(server, { name: 'long', ...nap(4.25) });
    await until(() => processes().includes('sleep 4.25'));
    expect(await stopWorker(busy)).toBe(0);
    const step = await getStep(server, id, 'main');
    expect(step).toMatchObject({ status: 'succeeded', output: { worker: 'busy' }, attempt: 1, losses: 0 });
    expect((await send(server.port, 'GET', `/v1/jobs/${id}/log`)).text).toBe('main | slept well\n');
  });

  it('stop the work of a cancelled job, with all that it started, and take the next step', async () => {
    const worker = await startWorker('worker.sh', 'bash-3', { TTL: '1s' });
    const id = await submit(server, { name: 'cancelled', ...nap(61.25) });
    await until(() => processes().includes('sleep 61.25'));
    await send(server.port, 'POST', `/v1/jobs/${id}/cancel`);
    await until(() => worker.log().includes('main: stopped') && !processes().includes('sleep 61.25'));
    const next = await submit(server, { name: 'next', uses: 'shout', with: { text: 'next' } });
    expect(await untilJob(server, next, isOver)).toMatchObject({ status: 'succeeded' });
  });

  it('in Python report progress, fail wrong data at once, and give back what runs when told to stop', async () => {
    const worker = await startWorker('worker.py', 'python-2');
    const wrong = { uses: 'shout', with: { text: 5 }, retry: { max_attempts: 3 } };
    const failed = await submit(server, { name: 'wrong', steps: [{ name: 'main', ...wrong }] });
    expect(await untilJob(server, failed, isOver)).toMatchObject({ status: 'failed' });
    expect(await getStep(server, failed, 'main')).toMatchObject({
      attempt: 1,
      error: { code: 'AttributeError' },
    });

    const id = await submit(server, { name: 'given-back', ...nap(15) });
    await untilStep(id, 'main', ({ progress }) => Number(progress) > 0);
    expect(await stopWorker(worker)).toBe(0);
    const step = await getStep(server, id, 'main');
    expect(step).toMatchObject({ status: 'ready', failures: 0, attempts: [{ outcome: 'released' }] });
    await send(server.port, 'POST', `/v1/jobs/${id}/cancel`);
  });

  it('run as examples/workers/README.md prints it, and print what it prints', async () => {
    const ran = await runPage(PAGE, server);
    expect(ran.length).toBeGreaterThanOrEqual(6);
    for (const { line, exitCode, difference } of ran)
      expect({ line, exitCode, difference }).toEqual({ line, exitCode: 0, difference: null });
  }, 60_000);
});

describe('a folder of actions', () => {
  it('serves the remote steps of the example by the scripts that the page names', async () => {
    const worker = runScript('example:worker');
    running.add(worker);
    await until(() => worker.log().includes('registered'));
    const watched = runScript('example:remote');
    await until(() => watched.child.exitCode !== null);
    expect(watched.log()).toMatch(/step count {2}succeeded[\s\S]*output: .* HAS \d+ WORDS/);
    expect(watched.child.exitCode).toBe(0);
    expect(await stopWorker(worker)).toBe(0);
  });
});

/** Starts what `npm run` would start. */
function runScript(script: 'example:worker' | 'example:remote'): WorkerProcess {
  expect(PAGE).toContain(`npm run ${script}\n`);
  return follow('bash', ['-c', `exec ${packageJson.scripts[script]}`], {
    PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
    HOLDFAST_SERVER: server.url,
  });
}
