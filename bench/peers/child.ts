/**
 * The process in which one measurement happens: `node child.ts MODULE TASK`. It does what its parent says, one phase
 * after the other, and ends with it.
 */
import {
  ALONE_AT_MOST,
  type Contestant,
  type Open,
  type Phase,
  type Report,
  type Task,
  type Told,
} from './contestant.ts';

const ALONE_MS = 3_000;

const [module = '', text = ''] = process.argv.slice(2);
const task = JSON.parse(text) as Task;
let contestant: Contestant | undefined;

const now = () => performance.timeOrigin + performance.now();
const report = (message: Report) => process.send?.(message);

async function run(phase: Phase): Promise<void> {
  if (phase === 'prepare') {
    const { open } = (await import(module)) as { open: Open };
    contestant = await open(task);
  }
  if (contestant === undefined) throw new Error('not prepared');
  const from = now();
  const told = await doPhase(contestant, phase);
  report({ say: 'done', phase, from, to: now(), ...told });
}

async function doPhase(contestant: Contestant, phase: Phase): Promise<Told> {
  if (phase === 'verify') return { verdict: await contestant.verify() };
  if (phase === 'alone') return { times: await runAlone(contestant) };
  if (phase === 'drain') {
    const first = await contestant.drain(() => report({ say: 'started', at: now() }));
    return first === undefined ? {} : { first };
  }
  await contestant[phase]();
  const { databasePid } = contestant;
  return databasePid === undefined ? {} : { databasePid };
}

/** One job after the other, for some seconds; how long each took, in milliseconds. */
async function runAlone(contestant: Contestant): Promise<number[]> {
  const times: number[] = [];
  const end = now() + ALONE_MS;
  while (times.length < ALONE_AT_MOST && (times.length === 0 || now() < end)) {
    const from = now();
    await contestant.alone?.(task.jobs + times.length);
    times.push(now() - from);
  }
  return times;
}

process.on('message', (phase: Phase) => {
  run(phase).catch((error: unknown) => {
    report({
      say: 'failed',
      phase,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  });
});
// Whoever asked is gone: what was started here is in the same process group and goes too.
process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'));
