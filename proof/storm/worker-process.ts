/** One worker of the storm: its options as JSON. Says so when it is registered; ends with its parent. */
import { type ActionContext, type SettledClaimList, Worker } from '../../client/src/index.ts';
import { seeded } from '../../test/engine/random-jobs.ts';
import { now } from './clock.ts';
import { type Answered, openLedger } from './ledger.ts';
import { twice } from './twice.ts';
import type { WorkerStart } from './workers.ts';

const { name, servers, folder, life, seed, ttlMs } = JSON.parse(process.argv[2] ?? '{}') as WorkerStart;
const ledger = openLedger(folder, `${name}-${life}`);

interface Output {
  claim: string;
  attempt: number;
  above: readonly string[];
}

/** Enters the beginning and the end of an execution. */
function entered(work: (context: ActionContext) => unknown = () => {}): (context: ActionContext) => unknown {
  return async (context) => {
    const { id: claim, attempt } = context.claim;
    ledger.write({ kind: 'begun', at: now(), worker: name, claim, attempt });
    await work(context);
    ledger.write({ kind: 'ended', at: now(), worker: name, claim });
    const above = (context.input as { above?: string[] } | null)?.above ?? [];
    return { claim, attempt, above } satisfies Output;
  };
}

function failing(isUnlucky: (attempt: number) => boolean) {
  return entered(({ claim }) => {
    if (isUnlucky(claim.attempt)) throw new Error(`attempt ${claim.attempt} is one that fails`);
  });
}

async function enterAnswers(request: { url: string; body: string }, copy: () => Response): Promise<void> {
  if (!request.url.endsWith('/v1/claims/settle')) return;
  const answer = copy();
  if (answer.status !== 200) return;
  const { data } = (await answer.json()) as SettledClaimList;
  const { outcomes } = JSON.parse(request.body);
  for (const [index, { id: claim, status, outcome, code }] of data.entries()) {
    const sent = sentOf(outcomes[index]);
    ledger.write({ kind: 'answered', at: now(), worker: name, claim, sent, status, outcome, code });
  }
}

function sentOf(outcome: { error?: unknown; release?: boolean }): Answered['sent'] {
  if (outcome.release === true) return 'released';
  return outcome.error === undefined ? 'succeeded' : 'failed';
}

const worker = new Worker({
  name,
  server: servers,
  fetch: twice(servers, seeded(seed), enterAnswers),
  concurrency: 6,
  prefetch: 4,
  ttlMs,
  onEvent: () => {},
  actions: {
    echo: entered(),
    nap: entered(({ input }) => {
      const { seconds } = input as { seconds: number };
      return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }),
    unlucky: failing((attempt) => attempt === 1),
    odd: failing((attempt) => attempt % 2 === 1),
    fail: failing(() => true),
  },
});
process.stdin.resume();
process.stdin.once('close', () => process.exit(1));
await worker.start();
process.stdout.write('registered\n');
