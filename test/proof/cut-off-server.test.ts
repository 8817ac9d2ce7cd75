import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRunning } from '../actions/shell-step.ts';
import { getStep, submit, untilJob } from '../server/steps-that-count.ts';
import { type Anything, send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { startWireProxy, type WireProxy } from '../support/wire-proxy.ts';

/** Two servers on one database, of which one does not hear that its steps were given to the other. */

// Longer than it takes to notice a dead server, so that the two ways of losing a claim can be told apart.
const SETTINGS = { CLAIM_TTL: '6s' };
// Also on a machine that has much else to do.
const READY_MS = 60_000;

let database: TestDatabase;
let proxy: WireProxy;
/** Reaches the database through the proxy. */
let cutOff: ServerProcess;
let other: ServerProcess;
const folder = newDataDir({ mode: 0o700 });

beforeAll(async () => {
  database = await testDatabase();
  proxy = await startWireProxy(database.url);
  cutOff = await startServer({ ...SETTINGS, DATABASE_URL: proxy.url }, READY_MS);
  other = await startServer({ ...SETTINGS, DATABASE_URL: database.url }, READY_MS);
}, 120_000);

afterAll(async () => {
  proxy?.close();
  await stopEverything();
  await database?.close();
}, 60_000);

/** What a step wrote down: an attempt and the pid of its shell, in their order. */
function runsOf(name: string): { attempt: number; pid: number }[] {
  const file = join(folder, name);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => ({ attempt: Number(line.split(' ')[0]), pid: Number(line.split(' ')[1]) }));
}

const firstPid = (name: string) => runsOf(name)[0]?.pid as number;

/** Lets the first attempt of a step end. */
const end = (name: string) => writeFileSync(join(folder, `${name}.end`), '');

/** A job of these steps, which all run on the server that will be cut off; a second attempt of theirs is short. */
async function jobOnCutOff(names: string[]): Promise<string> {
  const run =
    'echo "$HOLDFAST_ATTEMPT $$" >> "$FILE"; [ "$HOLDFAST_ATTEMPT" -gt 1 ] && exit; ' +
    'while [ ! -e "$FILE.end" ]; do sleep 0.05; done';
  const steps = names.map((name) => ({
    ...{ name, uses: 'shell' },
    with: { run, env: { FILE: join(folder, name) } },
  }));
  // It is suspended for a moment, long enough to take nothing and too short for anything else.
  process.kill(other.pid, 'SIGSTOP');
  try {
    const id = await submit(cutOff, { name: 'cut-off', steps });
    await until(() => names.every((name) => runsOf(name).length === 1));
    return id;
  } finally {
    process.kill(other.pid, 'SIGCONT');
  }
}

/** The two attempts of a step: what became of them, and on which server. */
async function attemptsOf(id: string, name: string): Promise<string[]> {
  const { data } = (await send(other.port, 'GET', '/v1/workers')).json;
  const nameOf = (worker: string) => data.find((one: Anything) => one.id === worker)?.name.replace(/.*:/, '');
  const { attempts } = await getStep(other, id, name);
  return attempts.map(({ outcome, worker }: Anything) => `${outcome} on ${nameOf(worker)}`);
}

async function refusedBy(server: ServerProcess): Promise<number> {
  const { text } = await send(server.port, 'GET', '/metrics');
  return Number(/^holdfast_stale_writes_total (\d+)/m.exec(text)?.[1] ?? 0);
}

/** While it is away the other server runs its steps; afterwards nothing that it says of them counts. */
async function expectOverlap(kind: string, leave: () => void, comeBack: () => Promise<void>): Promise<void> {
  const [stays, ends] = [`${kind}-stays`, `${kind}-ends`];
  const id = await jobOnCutOff([stays, ends]);
  const refused = await refusedBy(cutOff);
  leave();
  await until(() => runsOf(stays).length === 2 && runsOf(ends).length === 2, 30_000);
  // Two executions at once.
  expect([firstPid(stays), firstPid(ends)].map(isRunning)).toEqual([true, true]);
  end(ends);
  await until(() => !isRunning(firstPid(ends)));
  await untilJob(other, id, ({ status }) => status === 'succeeded');
  expect(isRunning(firstPid(stays))).toBe(true);
  await comeBack();
  await until(() => !isRunning(firstPid(stays)));
  await until(async () => (await refusedBy(cutOff)) > refused);
  // Taken for dead, it enters again.
  await until(async () => {
    const { json } = await send(other.port, 'GET', '/v1/workers?status=live');
    return json.data.length === 2;
  });
  for (const name of [stays, ends]) {
    const both = [`lost on ${cutOff.pid}`, `succeeded on ${other.pid}`];
    expect(await attemptsOf(id, name), name).toEqual(both);
    expect(runsOf(name).map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(await getStep(other, id, name)).toMatchObject({ failures: 0, losses: 1 });
  }
}

describe('a server', () => {
  it('that is cut off from the database counts as dead in seconds; back again, it stops what it ran', async () => {
    await expectOverlap(
      'partition',
      () => proxy.cut(),
      () => proxy.mend(),
    );
    // Not because claims expired: it was taken for dead.
    expect(other.log()).toMatch(/rescued 2 steps of server .*, which died/);
  }, 60_000);

  it('that stalls for longer than CLAIM_TTL has its steps given back; awake, it stops what it ran', async () => {
    await expectOverlap(
      'stall',
      () => process.kill(cutOff.pid, 'SIGSTOP'),
      async () => void process.kill(cutOff.pid, 'SIGCONT'),
    );
    expect(other.log()).toMatch(/rescued \d steps? of claims that expired/);
  }, 60_000);

  it('that dies after an action and before the commit of its outcome has the action run a second time', async () => {
    const id = await jobOnCutOff(['uncommitted']);
    proxy.freeze();
    end('uncommitted');
    await until(() => !isRunning(firstPid('uncommitted')));
    await cutOff.kill();
    proxy.cut();
    await untilJob(other, id, ({ status }) => status === 'succeeded');
    expect(runsOf('uncommitted').map(({ attempt }) => attempt)).toEqual([1, 2]);
    const outcomes = (await attemptsOf(id, 'uncommitted')).map((one) => one.split(' ')[0]);
    expect(outcomes).toEqual(['lost', 'succeeded']);
  }, 60_000);
});
