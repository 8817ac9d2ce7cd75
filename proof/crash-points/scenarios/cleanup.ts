import { sql } from 'kysely';
import type { Store } from '../../../src/database/store.ts';
import { cleanupJobs } from '../../../src/operations/cleanup-jobs.ts';
import { pruneWorkers } from '../../../src/operations/prune-workers.ts';
import { registerWorker } from '../../../src/operations/register-worker.ts';
import { submitBatch } from '../../../src/operations/submit-batch.ts';
import { normal } from '../../../test/engine/work.ts';
import { scenario } from '../scenario.ts';
import { FAILED, step, submit, take, takeAndEnd } from './situation.ts';

const clean = (store: Store) =>
  cleanupJobs(store, { days: 7, statuses: null, dryRun: false, deadlineMs: 20_000 });

/** A few more than one transaction deletes. */
const OLD = Array.from({ length: 53 }, (_, index) => ({ name: `old ${index + 10}`, steps: [step('a')] }));

export const cleanups = [
  scenario({
    name: 'prune: old jobs, more than one transaction takes',
    commits: 2,
    async prepare(store) {
      await submitBatch(store, OLD.map(normal), { requestHash: 'hash' });
      await takeAndEnd(store, OLD.length, FAILED);
      await sql`update job set
        finished_at = now() - interval '30 days' + substr(name, 5)::int * interval '1 second'`.execute(
        store.db,
      );
      await submit(store, 'young', [step('a')]);
      await takeAndEnd(store, 1);
      await submit(store, 'under way', [step('a'), step('b', ['a'])]);
      return {};
    },
    run: clean,
    again: clean,
    carryOn: clean,
  }),
  scenario({
    name: 'prune: workers of which nobody has heard',
    async prepare(store) {
      const worker = { version: '1', uses: ['value'], queues: null, slots: 4, labels: {} };
      await registerWorker(store, { ...worker, name: 'silent' });
      const holder = await registerWorker(store, { ...worker, name: 'silent holder' });
      await submit(store, 'held', [step('a'), step('b', ['a'])]);
      await take(store, 1, holder);
      await sql`update worker set last_seen_at = last_seen_at - interval '2 days'`.execute(store.db);
      await registerWorker(store, { ...worker, name: 'well' });
      return {};
    },
    run: pruneWorkers,
    again: pruneWorkers,
  }),
];
