/** One worker process of `bench/remote.ts`: does nothing, `CONCURRENCY` steps at a time. */
import { Worker } from '../client/src/index.ts';

const worker = new Worker({
  server: process.env.SERVER ?? '',
  concurrency: Number(process.env.CONCURRENCY ?? 1),
  actions: { noop: () => null },
});
await worker.run();
