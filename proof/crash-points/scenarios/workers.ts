import type { Store } from '../../../src/database/store.ts';
import type { ClaimKey } from '../../../src/domain/claim-id.ts';
import { appendClaimLog } from '../../../src/operations/append-claim-log.ts';
import { appendLog } from '../../../src/operations/append-log.ts';
import { drainWorker } from '../../../src/operations/drain-worker.ts';
import { enterServer } from '../../../src/operations/keep-server.ts';
import { registerWorker } from '../../../src/operations/register-worker.ts';
import { DEAD_WORKER, scenario } from '../scenario.ts';
import { step, submit, take } from './situation.ts';

const WORKER = { name: 'w', version: '1', uses: ['value'], queues: null, slots: 4, labels: {} };
const SERVER = { id: DEAD_WORKER, name: 'server', version: '1', uses: ['value'], queues: null, slots: 4 };

/** More than one row of the log holds. */
const LINES = Buffer.from('a line of a log\n'.repeat(10_000));

interface Logged {
  claim: ClaimKey & { attempt: number };
}

async function running(store: Store): Promise<Logged> {
  await submit(store, 'loud', [step('a'), step('b', ['a'])]);
  const [claim] = await take(store, 1);
  if (claim === undefined) throw new Error('there was nothing to claim');
  return { claim };
}

async function endsBehind(answer: Promise<number | null>): Promise<void> {
  const next = await answer;
  if (next !== LINES.length) throw new Error(`the log is said to go on at ${next}, not at ${LINES.length}`);
}

export const workers = [
  scenario({
    name: 'worker: a remote one registers',
    prepare: async () => ({}),
    run: (store) => registerWorker(store, WORKER),
  }),
  scenario<{ id: string }>({
    name: 'worker: a remote one is drained',
    prepare: async (store) => ({ id: await registerWorker(store, WORKER) }),
    run: (store, { id }) => drainWorker(store, id),
    again: (store, { id }) => drainWorker(store, id),
  }),
  scenario({
    name: 'worker: a server enters itself',
    prepare: async () => ({}),
    run: (store) => enterServer(store, SERVER),
    again: (store) => enterServer(store, SERVER),
  }),
  scenario<Logged>({
    name: "log: lines of a remote worker's claim",
    prepare: running,
    run: (store, { claim }) => appendClaimLog(store, claim, 0, LINES),
    again: (store, { claim }) => endsBehind(appendClaimLog(store, claim, 0, LINES)),
  }),
  scenario<Logged>({
    name: "log: lines of a claim of the server's own",
    prepare: running,
    run: (store, { claim }) => appendLog(store, claim, 0, LINES),
    again: (store, { claim }) => endsBehind(appendLog(store, claim, 0, LINES)),
  }),
];
