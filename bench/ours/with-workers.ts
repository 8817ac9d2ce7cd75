import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../measure/until.ts';
import type { BenchServer } from '../server.ts';
import { numberOf } from './run-jobs.ts';

/** Each set of workers has a name of its own, since those that have stopped stay in the list for a while. */
let sets = 0;
const SCRIPT = fileURLToPath(new URL('remote-worker.ts', import.meta.url));

/** Runs `body` while so many worker processes, which offer `noop`, are registered at the server. */
export async function withWorkers(
  server: BenchServer,
  { count, concurrency }: { count: number; concurrency: number },
  body: () => Promise<void>,
): Promise<void> {
  sets += 1;
  const name = `bench ${sets}`;
  const children: ChildProcess[] = Array.from({ length: count }, () =>
    spawn(process.execPath, [SCRIPT], {
      env: { ...process.env, SERVER: server.url, NAME: name, CONCURRENCY: String(concurrency) },
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  const registered = () => numberOf(server, 'select count(*) from worker where name = $1', [name]);
  const kill = () => {
    for (const child of children) child.kill('SIGTERM');
  };
  process.once('exit', kill);
  try {
    await until(async () => {
      const gone = children.find(({ exitCode }) => exitCode !== null);
      if (gone !== undefined) throw new Error(`a worker ended with ${gone.exitCode}`);
      return (await registered()) === count;
    }, 30_000);
    await body();
  } finally {
    const ends = children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined));
    kill();
    await Promise.all(ends);
    process.off('exit', kill);
  }
}
