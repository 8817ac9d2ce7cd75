import type { Logger } from 'pino';
import type { Action } from '../actions/action.ts';
import type { Catalogue } from '../actions/catalogue.ts';
import type { Store } from '../database/store.ts';
import type { StepState } from '../domain/moves/draft.ts';
import type { AttemptEnd } from '../domain/moves/end-attempt.ts';
import { jsonBytes } from '../domain/storable.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import { handOut } from '../operations/hand-out.ts';
import type { StepOutcome } from '../operations/step-outcome.ts';
import { openAttemptLog } from './attempt-log.ts';
import type { HandOffs } from './hand-offs.ts';
import type { Held, HeldSteps, Kind } from './held-steps.ts';
import { type RenderedHandout, runStep } from './run-step.ts';

const LOADED = 256;

/** The server's own pool: runs what was claimed for it. */
export interface Pool {
  /** Which room the step would take here; null when it cannot run here. */
  kindOf(step: StepState): Kind | null;
  /** Runs claimed steps; each gives its slot back when its action ends. */
  start(claims: readonly ClaimedStep[]): Promise<void>;
  /** Takes nothing more. */
  close(): void;
  /** Gives back what still runs. */
  giveBack(): void;
}

/** `settle` gets what ended; `freed` is told whenever room was made. */
export function createPool(options: {
  store: Store;
  catalogue: Catalogue;
  settings: { queues: readonly string[] | null; claimTtlMs: number };
  held: HeldSteps;
  handOffs: () => HandOffs;
  settle: (outcome: StepOutcome) => void;
  freed: () => void;
  log: Logger;
}): Pool {
  const { store, catalogue, settings, held, log } = options;
  let closed = false;
  const actionOf = (uses: string): Action | undefined => catalogue.get(uses);

  const end = (claim: ClaimedStep, attemptEnd: AttemptEnd | null) => {
    held.free(claim.claim_id);
    const { job_id, ordinal, claim_id } = claim;
    if (attemptEnd) options.settle({ job_id, ordinal, claim_id, end: attemptEnd });
    else held.drop(claim_id);
    options.freed();
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

  const hand = async (claims: readonly ClaimedStep[]) => {
    const handouts = await handOutPatiently(claims, {
      ...{ store, log, ms: settings.claimTtlMs, stopped: () => closed },
    });
    for (const claim of claims) {
      const handout = handouts?.get(claim.claim_id);
      if (handout && claim.handout === undefined && handout.rendered.ok)
        held.weigh(claim.claim_id, jsonBytes(handout.rendered.value));
      if (handout) void run(claim, handout);
      // Nothing was loaded: given back. This one was not: it is no longer, or never became, ours.
      else end(claim, handouts === null ? { kind: 'released' } : null);
    }
  };

  return {
    kindOf(step) {
      const action = actionOf(step.uses);
      if (closed || !action) return null;
      if (settings.queues && !settings.queues.includes(step.queue)) return null;
      return action.instant ? 'instant' : 'slot';
    },
    async start(claims) {
      if (claims.length === 0) return;
      for (const claim of claims)
        held.add(claim, actionOf(claim.uses)?.instant ?? false, options.handOffs().lengthOf(claim));
      // What is remembered runs at once. The rest may be large: it is loaded bit by bit.
      const known = claims.filter(({ handout }) => handout !== undefined);
      const unknown = claims.filter(({ handout }) => handout === undefined);
      if (known.length > 0) await hand(known);
      for (let from = 0; from < unknown.length; from += LOADED)
        await hand(unknown.slice(from, from + LOADED));
    },
    close() {
      closed = true;
    },
    giveBack() {
      for (const { claim, ended } of held.all()) if (!ended) end(claim, { kind: 'released' });
    },
  };
}

/**
 * Loads what claims need, again and again while the database is away: claims that are extended meanwhile need not be
 * lost. Null when the server stops, or when that took longer than `ms`.
 */
async function handOutPatiently(
  claims: readonly ClaimedStep[],
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
