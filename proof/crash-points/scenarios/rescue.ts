import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { Store } from '../../../src/database/store.ts';
import { enterServer } from '../../../src/operations/keep-server.ts';
import { registerWorker } from '../../../src/operations/register-worker.ts';
import { finishRemovals, removeWorker } from '../../../src/operations/remove-worker.ts';
import { rescueExpired } from '../../../src/operations/rescue-steps.ts';
import { timeOutJobs } from '../../../src/operations/time-out-jobs.ts';
import { rescuePredecessors } from '../../../src/scheduler/rescue.ts';
import { DEAD_WORKER, OTHER_WORKER, scenario } from '../scenario.ts';
import { letClaimsExpire, step, submit, take } from './situation.ts';

const silent = { warn() {} } as unknown as Logger;

/** One of its steps runs at the worker that is gone, another one at a worker that is not. */
async function shared(store: Store, name: string, gone: string, more = {}): Promise<string> {
  const id = await submit(store, name, [step('a'), step('b'), step('c', ['a'])], more);
  await take(store, 1, gone);
  await take(store, 1, OTHER_WORKER);
  return id;
}

const rescueDead = (store: Store) => rescuePredecessors(store, silent, OTHER_WORKER);

const remoteWorker = (store: Store) =>
  registerWorker(store, { name: 'w', version: '1', uses: ['value'], queues: null, slots: 4, labels: {} });

export const rescues = [
  scenario({
    name: 'rescue: expired claims of two jobs',
    async prepare(store) {
      await shared(store, 'first', DEAD_WORKER);
      await shared(store, 'second', DEAD_WORKER);
      await letClaimsExpire(store, DEAD_WORKER);
      return {};
    },
    run: (store) => rescueExpired(store),
    again: (store) => rescueExpired(store),
  }),
  scenario({
    name: 'rescue: a claim that was lost too often',
    async prepare(store) {
      await shared(store, 'deadly', DEAD_WORKER);
      await sql`update step set losses = max_losses where claimed_by = ${DEAD_WORKER}`.execute(store.db);
      await letClaimsExpire(store, DEAD_WORKER);
      return {};
    },
    run: (store) => rescueExpired(store),
    again: (store) => rescueExpired(store),
  }),
  scenario({
    name: 'rescue: the steps of a dead server, and its entry',
    commits: 2,
    async prepare(store) {
      const entry = { name: 'dead', version: '1', uses: ['value'], queues: null, slots: 4 };
      await enterServer(store, { ...entry, id: DEAD_WORKER });
      await shared(store, 'first', DEAD_WORKER);
      await shared(store, 'second', DEAD_WORKER);
      return {};
    },
    run: rescueDead,
    again: rescueDead,
    carryOn: rescueDead,
  }),
  scenario<{ id: string }>({
    name: 'remove: a remote worker that holds steps',
    commits: 2,
    async prepare(store) {
      const id = await remoteWorker(store);
      await shared(store, 'first', id);
      await shared(store, 'second', id);
      return { id };
    },
    run: (store, { id }) => removeWorker(store, id),
    again: (store, { id }) => removeWorker(store, id),
    carryOn: finishRemovals,
  }),
  scenario({
    name: 'rescue: what a removal left over',
    async prepare(store) {
      const id = await remoteWorker(store);
      await shared(store, 'first', id);
      await sql`update worker set command = 'stop'`.execute(store.db);
      return {};
    },
    run: finishRemovals,
    again: finishRemovals,
  }),
  scenario({
    name: 'rescue: a job past its deadline',
    async prepare(store) {
      await shared(store, 'late', DEAD_WORKER);
      await sql`update job set deadline_at = clock_timestamp() - interval '1 minute'`.execute(store.db);
      return {};
    },
    run: (store) => timeOutJobs(store),
    again: (store) => timeOutJobs(store),
  }),
];
