import type { Store } from '../../../src/database/store.ts';
import { claimSteps } from '../../../src/operations/claim-steps.ts';
import { drainWorker } from '../../../src/operations/drain-worker.ts';
import { registerWorker } from '../../../src/operations/register-worker.ts';
import { findGivenClaims, seeWorkers } from '../../../src/operations/see-workers.ts';
import { scenario } from '../scenario.ts';
import { step, submit, TTL_MS, take } from './situation.ts';

interface Ask {
  workerId: string;
  max: number;
}

const WORKER = { name: 'w', version: '1', uses: ['value'], queues: null, slots: 4, labels: {} };

/** A long-poll of a remote worker with a `request_id`: a look, and what was given before when that brought nothing. */
async function ask(store: Store, { workerId, max }: Ask): Promise<number> {
  await seeWorkers(store, [workerId]);
  const request = { workerId, uses: [{ uses: 'value', max }], queues: null, ttlMs: TTL_MS };
  const [grants] = await claimSteps(store, [{ ...request, remote: { requestId: 'request' } }]);
  const granted = typeof grants === 'object' ? grants.claims.length : 0;
  return granted > 0 ? granted : (await findGivenClaims(store, workerId, 'request')).length;
}

async function answered(count: number, answer: Promise<number>): Promise<void> {
  const given = await answer;
  if (given !== count) throw new Error(`the request was given ${given} claims, not ${count}`);
}

async function twoJobs(store: Store): Promise<void> {
  await submit(store, 'first', [step('a'), step('b'), step('c', ['a'])]);
  await submit(store, 'second', [step('a'), step('b', ['a'])]);
}

async function registeredWithWork(store: Store): Promise<Ask> {
  await twoJobs(store);
  return { workerId: await registerWorker(store, WORKER), max: 2 };
}

export const claims = [
  scenario({
    name: "claim: for a server's own pool, of two jobs",
    async prepare(store) {
      await twoJobs(store);
      return {};
    },
    run: (store) => take(store, 3),
  }),
  scenario<Ask>({
    name: 'claim: by a remote worker, with a request id',
    prepare: registeredWithWork,
    run: ask,
    again: (store, request) => answered(2, ask(store, request)),
  }),
  scenario<Ask>({
    name: 'claim: the same request id again',
    commits: 0,
    async prepare(store) {
      const request = await registeredWithWork(store);
      await ask(store, request);
      return request;
    },
    run: ask,
    again: (store, request) => answered(2, ask(store, request)),
  }),
  scenario<Ask>({
    name: 'claim: by a remote worker that was drained',
    commits: 0,
    async prepare(store) {
      const request = await registeredWithWork(store);
      await drainWorker(store, request.workerId);
      return request;
    },
    run: ask,
    again: (store, request) => answered(0, ask(store, request)),
  }),
];
