import type { Logger } from 'pino';
import type { Action } from '../actions/action.ts';
import type { Catalogue } from '../actions/catalogue.ts';
import type { Store } from '../database/store.ts';
import type { StepState } from '../domain/moves/draft.ts';
import type { AttemptEnd } from '../domain/moves/end-attempt.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import { handOut } from '../operations/hand-out.ts';
import { openAttemptLog } from './attempt-log.ts';
import { createClaimer } from './claim-ready.ts';
import { createHandOffs } from './hand-offs.ts';
import { type Held, heldSteps, type Kind } from './held-steps.ts';
import { keepClaims } from './keep-claims.ts';
import { startLoop } from './loop.ts';
import { type RenderedHandout, runStep } from './run-step.ts';
import { createSettler } from './settler.ts';

const POLL_MS = 1000;
// How long an action may take to heed the word to stop; what still runs then is given back all the same.
const ABORT_MS = 5000;

export interface DispatchSettings {
  workerId: string;
  /** How many steps may run at once that hold a slot. */
  slots: number;
  /** Null: every queue. */
  queues: readonly string[] | null;
  claimTtlMs: number;
}

/** The server's own pool. */
export interface Dispatch {
  /** Claims no more, lets running actions end for `graceMs`, gives the rest back uncharged. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Claims ready steps whose action this server can run, up to its free slots, runs them and settles. `vital` is the
 * same database over connections of its own: claims are kept alive even when work has taken all others.
 */
export function startDispatch(options: {
  store: Store;
  vital: Store;
  catalogue: Catalogue;
  settings: DispatchSettings;
  log: Logger;
}): Dispatch {
  const { store, vital, catalogue, settings, log } = options;
  const held = heldSteps(settings.slots);
  const handOffs = createHandOffs({ held, settings, kindOf: (step) => kindOf(step) });
  let stopping = false;
  // Of what the queue may hold more than there was room for: then room that is freed is worth a look.
  let more: Record<Kind, boolean> = { slot: false, instant: false };
  const mayBeMore = () => more.slot || more.instant;
  // Room for one kind is no reason to look at once for the other: that would go on until a slot is free.
  const hasRoomForMore = () => {
    const free = held.room();
    return (more.slot && free.slot > 0) || (more.instant && free.instant > 0);
  };

  const actionOf = (uses: string): Action | undefined => catalogue.get(uses);
  const kindOf = (step: StepState): Kind | null => {
    const action = actionOf(step.uses);
    if (stopping || !action) return null;
    if (settings.queues && !settings.queues.includes(step.queue)) return null;
    return action.instant ? 'instant' : 'slot';
  };

  const settler = createSettler({
    store,
    log,
    offer: (outcomes) => handOffs.offer(outcomes),
    onSettled: ({ claim_id }) => {
      held.drop(claim_id);
      if (mayBeMore()) loop.wake();
    },
    onHandedOff: (claims) => void start(claims),
  });

  const end = (claim: ClaimedStep, attemptEnd: AttemptEnd | null) => {
    held.free(claim.claim_id);
    const { job_id, ordinal, claim_id } = claim;
    if (attemptEnd) settler.push({ job_id, ordinal, claim_id, end: attemptEnd });
    else held.drop(claim_id);
    if (mayBeMore()) loop.wake();
  };

  const start = async (claims: ClaimedStep[]) => {
    if (claims.length === 0) return;
    for (const claim of claims)
      held.add(claim, actionOf(claim.uses)?.instant ?? false, handOffs.lengthOf(claim));
    const handouts = await handOutPatiently(claims, {
      store,
      log,
      ms: settings.claimTtlMs,
      stopped: () => stopping,
    });
    for (const claim of claims) {
      const handout = handouts?.get(claim.claim_id);
      if (handout) void run(claim, handout);
      // Nothing was loaded: given back. This one was not: it is no longer, or never became, ours.
      else end(claim, handouts === null ? { kind: 'released' } : null);
    }
  };

  const run = async (claim: ClaimedStep, handout: RenderedHandout) => {
    const entry = held.get(claim.claim_id) as Held;
    const { controller } = entry;
    const attemptLog = openAttemptLog(store, log, claim);
    const progress = (fraction: number) => {
      if (Number.isFinite(fraction)) entry.progress = fraction;
    };
    const attemptEnd = await runStep({ handout, catalogue, controller, attemptLog, progress, log });
    await attemptLog.close();
    end(claim, attemptEnd);
  };

  const claimReady = createClaimer({ store, catalogue, settings, held, handOffs, kindOf, start });
  const loop = startLoop({
    name: 'dispatch',
    intervalMs: POLL_MS,
    log,
    async pass() {
      if (stopping) return undefined;
      more = await claimReady();
      return hasRoomForMore() ? 0 : undefined;
    },
  });
  const keeper = keepClaims({ store: vital, held, ttlMs: settings.claimTtlMs, log });
  const unsubscribe = store.wakeUps.onStepsReady(() => loop.wake());

  return {
    async stop(graceMs) {
      stopping = true;
      unsubscribe();
      await loop.stop();
      await held.allFree(graceMs);
      held.abortAll('shutdown');
      await settler.idle();
      await held.allFree(ABORT_MS);
      // What does not heed the word ends with this process. Left as it is, nobody would know until its claim expires:
      // the row that says which server holds it goes now.
      for (const { claim, ended } of held.all()) if (!ended) end(claim, { kind: 'released' });
      await settler.idle();
      await keeper.stop();
    },
  };
}

/**
 * Loads what claims need, again and again while the database is away: claims that are extended meanwhile need not be
 * lost. Null when the server stops, or when that took longer than `ms`.
 */
async function handOutPatiently(
  claims: ClaimedStep[],
  options: { store: Store; log: Logger; ms: number; stopped: () => boolean },
): Promise<Map<string, RenderedHandout> | null> {
  const giveUpAt = performance.now() + options.ms;
  for (;;) {
    try {
      return new Map((await handOut(options.store, claims)).map((handout) => [handout.claim_id, handout]));
    } catch (error) {
      options.log.warn({ err: error, steps: claims.length }, 'could not load claimed steps; trying again');
      if (options.stopped() || performance.now() > giveUpAt) return null;
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
    }
  }
}
