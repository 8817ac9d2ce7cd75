import { setTimeout as pause } from 'node:timers/promises';
import { cpuOf, cpuOfPostgres, memoryOf, memoryOfPostgres } from '../measure/process-use.ts';
import type { Bench } from './bench.ts';
import { clear } from './bench.ts';

/** What a server uses that has nothing to do: right after its start, and after some work. */
export async function measureIdleServer(bench: Bench): Promise<void> {
  await idle(bench, 'after the start');
  await clear(await bench.warm());
  await idle(bench, 'after some work');
}

async function idle(bench: Bench, when: string): Promise<void> {
  const server = await bench.server();
  const { idleSeconds } = bench.sizes;
  const note = `over ${idleSeconds} s`;
  await bench.measure(
    [
      { what: `${when}, CPU of the server`, unit: '% of a core', note },
      { what: `${when}, CPU of Postgres`, unit: '% of a core', note },
      { what: `${when}, memory of the server`, unit: 'MB' },
      { what: `${when}, memory of Postgres`, unit: 'MB' },
    ],
    async () => {
      const before = [cpuOf(server.pid), cpuOfPostgres(server.postgresPid)] as const;
      await pause(idleSeconds * 1000);
      const percent = (ms: number) => ms / idleSeconds / 10;
      return [
        percent(cpuOf(server.pid) - before[0]),
        percent(cpuOfPostgres(server.postgresPid) - before[1]),
        memoryOf(server.pid),
        memoryOfPostgres(server.postgresPid),
      ];
    },
    1,
  );
}
