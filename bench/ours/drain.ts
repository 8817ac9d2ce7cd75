import { VoidTry } from '../measure/figures.ts';
import { isHeldStill } from '../measure/process-use.ts';
import type { BenchServer } from '../server.ts';
import { type Bench, clear } from './bench.ts';
import { checkDone, databaseNow, named, numberOf, submitBatches, untilDone } from './run-jobs.ts';
import { giantShapes, type Shape, smallShapes } from './shapes-of.ts';

/**
 * Steps a second of work that waits in the queue already. The server that will do it is held still (SIGSTOP), so that
 * its code stays compiled, while another one, which serves none of it, takes the jobs in and ends; then it goes on.
 * The time runs from there to the end of the last step.
 */
export async function measureDrain(bench: Bench): Promise<void> {
  const server = await bench.warm();
  for (const shape of [...smallShapes(bench.sizes), ...giantShapes(bench.sizes)])
    await bench.measure([{ what: shape.name, unit: 'steps/s' }], () => drain(server, shape));
}

/** Steps a second of the jobs of one shape; empties the tables afterwards. Throws `VoidTry` when it counts wrong. */
export async function drain(server: BenchServer, { jobs, ...definition }: Shape): Promise<number[]> {
  const own = named(definition);
  const front = await server.startBeside({ QUEUES: 'nothing waits here' });
  let from: number;
  try {
    await holdStill(server);
    await submitBatches(front.url, own, jobs);
    await front.stop();
    const started = await numberOf(server, 'select count(*) from job where started_at is not null');
    if (!isHeldStill(server.pid)) throw new VoidTry('the server was not held still');
    if (started > 0) throw new VoidTry(`${started} jobs had started before they were let go`);
    from = await databaseNow(server);
  } finally {
    process.kill(server.pid, 'SIGCONT');
    await front.stop();
  }
  await untilDone(server, own.name);
  const ms = (await checkDone(server, own, jobs)) - from;
  await clear(server);
  return [(jobs * own.steps.length * 1000) / ms];
}

/** Stops the process at a moment at which it is in no transaction: held open, that one would keep locks. */
async function holdStill(server: BenchServer): Promise<void> {
  const held = `select count(*) from pg_stat_activity where backend_xid is not null
    or state like 'idle in transaction%'`;
  for (;;) {
    process.kill(server.pid, 'SIGSTOP');
    if ((await numberOf(server, held)) === 0) return;
    process.kill(server.pid, 'SIGCONT');
  }
}
