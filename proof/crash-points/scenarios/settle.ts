import type { Store } from '../../../src/database/store.ts';
import type { HandOff } from '../../../src/operations/advance-jobs.ts';
import { lookUpClaims } from '../../../src/operations/look-up-claims.ts';
import { settleSteps } from '../../../src/operations/settle-steps.ts';
import type { StepOutcome } from '../../../src/operations/step-outcome.ts';
import { DEAD_WORKER, type Scenario, scenario } from '../scenario.ts';
import { FAILED, outcomes, SUCCEEDED, step, submit, TTL_MS, take, takeAndEnd } from './situation.ts';

interface Settle {
  outcomes: StepOutcome[];
  handOff?: boolean;
}

const VERBS: Record<string, string> = {
  succeeded: 'complete',
  parked: 'complete',
  failed: 'fail',
  released: 'release',
};

/** Takes every step that this promotes for the worker that is about to die. */
const takeAll = (): HandOff => ({ take: () => ({ claimed_by: DEAD_WORKER, ttl_ms: TTL_MS }) });

const settle = (store: Store, { outcomes, handOff }: Settle) =>
  settleSteps(store, outcomes, { mode: 'wait', handOff: handOff ? takeAll : undefined });

/** What was written before is answered again as it was: the claim has ended, by the same call. */
async function settleAgain(store: Store, request: Settle): Promise<void> {
  const { results } = await settle(store, request);
  const late = request.outcomes.filter((_, index) => results[index] !== 'settled');
  const ends = await lookUpClaims(store, late);
  for (const { claim_id, end } of late) {
    const was = ends.get(claim_id);
    const verb = was?.kind === 'ended' ? was.verb : was?.kind;
    if (verb !== VERBS[end.kind])
      throw new Error(`a claim was told to ${VERBS[end.kind]}, and is said: ${verb}`);
  }
}

/** A situation and the outcomes that are written in it. */
function settling(
  name: string,
  prepare: (store: Store) => Promise<Settle>,
  more: Pick<Scenario<Settle>, 'commits' | 'again'> = {},
): Scenario {
  return scenario<Settle>({ name: `settle: ${name}`, prepare, run: settle, again: settleAgain, ...more });
}

const FAN = [step('a'), step('b', ['a']), step('c', ['a']), step('d', ['a']), step('e', ['b', 'c', 'd'])];

export const settles = [
  settling('a step that others wait for', async (store) => {
    await submit(store, 'fan', FAN);
    return { outcomes: outcomes(await take(store, 1)) };
  }),
  settling('the last of several needs', async (store) => {
    await submit(store, 'fan', FAN);
    await takeAndEnd(store, 1);
    await takeAndEnd(store, 2);
    return { outcomes: outcomes(await take(store, 1)) };
  }),
  settling('steps of three jobs at once', async (store) => {
    for (const name of ['first', 'second', 'third']) await submit(store, name, FAN);
    return { outcomes: outcomes(await take(store, 3)) };
  }),
  settling('hand-off of what it promotes', async (store) => {
    await submit(store, 'chain', [step('a'), step('b', ['a']), step('c', ['b'])]);
    return { outcomes: outcomes(await take(store, 1)), handOff: true };
  }),
  settling('room under max_parallel', async (store) => {
    await submit(store, 'narrow', [step('a'), step('b'), step('c')], { max_parallel: 1 });
    return { outcomes: outcomes(await take(store, 1)) };
  }),
  settling('the last step of a job', async (store) => {
    await submit(store, 'short', [step('a')]);
    return { outcomes: outcomes(await take(store, 1)) };
  }),
  settling('the last step of a job with an output', async (store) => {
    await submit(store, 'short', [step('a')], { output: '${{ steps.a.output.n }}' });
    return { outcomes: outcomes(await take(store, 1)) };
  }),
  settling('a failure that is tried again later', async (store) => {
    await submit(store, 'tried', [step('a', [], { retry: { max_attempts: 3 } }), step('b', ['a'])]);
    return { outcomes: outcomes(await take(store, 1), FAILED) };
  }),
  settling('a failure for good, and all that is skipped by it', async (store) => {
    const below = Array.from({ length: 6 }, (_, index) => step(`s${index + 1}`, [`s${index}`]));
    await submit(store, 'doomed', [step('s0'), ...below]);
    return { outcomes: outcomes(await take(store, 1), FAILED) };
  }),
  settling('a failure that ends a job fast', async (store) => {
    await submit(store, 'fast', [step('a'), step('b'), step('c'), step('d', ['a'])], { fail_fast: true });
    const [failing] = await take(store, 2);
    return { outcomes: outcomes(failing ? [failing] : [], FAILED) };
  }),
  settling('a timer', async (store) => {
    await submit(store, 'timer', [step('a', [], { uses: 'wait', with: { for: '1h' } }), step('b', ['a'])]);
    const end = { kind: 'parked', for_ms: TTL_MS, output: null } as const;
    return { outcomes: outcomes(await take(store, 1, DEAD_WORKER, 'wait'), end) };
  }),
  settling('a release', async (store) => {
    await submit(store, 'released', [step('a'), step('b', ['a'])]);
    return { outcomes: outcomes(await take(store, 1), { kind: 'released' }) };
  }),
  settling(
    'an output that cannot be stored, beside one that can',
    async (store) => {
      await submit(store, 'first', FAN);
      await submit(store, 'second', FAN);
      const [good, bad] = outcomes(await take(store, 2));
      if (!good || !bad) throw new Error('there was nothing to claim');
      return {
        outcomes: [good, { ...bad, end: { ...SUCCEEDED, output: 'a\u0000b' } as StepOutcome['end'] }],
      };
    },
    // The step failed by what its worker called a success, so the first answer cannot be told from what is stored.
    { commits: 2, again: settle },
  ),
];
