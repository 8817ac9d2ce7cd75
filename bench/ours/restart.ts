import { VoidTry } from '../measure/figures.ts';
import { until } from '../measure/until.ts';
import type { Bench } from './bench.ts';
import { databaseNow, named, numberOf, untilDone } from './run-jobs.ts';

const STEPS = 40;

/** How long after a server that was killed says it is ready the first step runs again. */
export async function measureRestart(bench: Bench): Promise<void> {
  const server = await bench.server();
  const steps = Array.from({ length: STEPS }, (_, index) => ({
    name: `s${index}`,
    uses: 'shell',
    with: { run: 'sleep 1' },
  }));
  const wanted = [
    { what: 'ready to first step again', unit: 'ms', note: 'below 0: before the server said so' },
    { what: 'SIGKILL to first step again', unit: 'ms' },
  ];
  await bench.measure(wanted, async () => {
    const own = named({ name: 'restart', steps });
    const answer = await fetch(`${server.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(own),
    });
    if (!answer.ok) throw new VoidTry(`${answer.status}: ${await answer.text()}`);
    await until(
      async () => (await numberOf(server, `select count(*) from step where status = 'running'`)) > 0,
    );
    const killedAt = await databaseNow(server);
    const { readyAt } = await server.crashAndRestart();
    const resumed = () =>
      numberOf(
        server,
        `select coalesce(extract(epoch from min(started_at)) * 1000, 0) from step
         where started_at > to_timestamp($1 / 1000.0)`,
        [killedAt],
      );
    await until(async () => (await resumed()) > 0);
    const first = await resumed();
    await untilDone(server, own.name);
    return [first - readyAt, first - killedAt];
  });
}
