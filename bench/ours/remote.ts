import { by, fan } from '../shapes.ts';
import { type Bench, clear } from './bench.ts';
import { runJobs } from './run-jobs.ts';
import { withWorkers } from './with-workers.ts';

/** With batches of one each step costs requests of its own, so fewer of them tell as much. */
const FEWER = 3;

/**
 * Steps a second through remote workers, submit included, and beside each try one of the server's own pool. A batch is
 * how many steps a worker runs at once; they end together, so that it asks for as many again.
 */
export async function measureRemote(bench: Bench): Promise<void> {
  const server = await bench.warm();
  const steps = fan(8);
  for (const count of bench.sizes.workers) {
    for (const concurrency of bench.sizes.batches) {
      const what = `fan 1-8-1, ${count} worker${count === 1 ? '' : 's'}, batch ${concurrency}`;
      const jobs = concurrency === 1 ? Math.ceil(bench.sizes.remoteJobs / FEWER) : bench.sizes.remoteJobs;
      await withWorkers(server, { count, concurrency }, async () => {
        // Their code is not compiled yet either.
        await runJobs(server, { name: 'warm up', steps: by('noop', steps) }, Math.ceil(jobs / 4));
        await bench.measure(
          [
            { what, unit: 'steps/s' },
            { what: `${what}: the own pool meanwhile`, unit: 'steps/s' },
            { what: `${what}: remote / own`, unit: '×' },
          ],
          async () => {
            const own = await runJobs(server, { name: 'own', steps }, bench.sizes.remoteJobs);
            const remote = await runJobs(server, { name: 'remote', steps: by('noop', steps) }, jobs);
            await clear(server);
            return [remote.stepsPerSecond, own.stepsPerSecond, remote.stepsPerSecond / own.stepsPerSecond];
          },
        );
      });
    }
  }
}
