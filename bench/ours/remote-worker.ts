/** A worker process of the bench: does nothing, `CONCURRENCY` steps at a time. */
import { Worker } from '../../client/src/index.ts';

const worker = new Worker({
  server: process.env.SERVER ?? '',
  name: process.env.NAME ?? 'bench',
  concurrency: Number(process.env.CONCURRENCY ?? 1),
  actions: { noop: () => null },
});
await worker.run();
