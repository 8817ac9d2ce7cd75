import { createLoadClient } from '../measure/load-client.ts';
import { type Bench, clear } from './bench.ts';
import { named } from './run-jobs.ts';
import { giantShapes } from './shapes-of.ts';

/** How long a large job takes to be stored: from the POST to the whole 202. */
export async function measureAccepted(bench: Bench): Promise<void> {
  const server = await bench.warm();
  for (const { jobs, ...shape } of giantShapes(bench.sizes)) {
    await bench.measure([{ what: shape.name, unit: 'ms' }], async () => {
      const own = named(shape);
      const body = JSON.stringify({ ...own, delay: '1d' });
      const client = createLoadClient(server.url, 1);
      const from = performance.now();
      await client.post('/v1/jobs', body);
      const ms = performance.now() - from;
      await client.close();
      await clear(server);
      return [ms];
    });
  }
}
