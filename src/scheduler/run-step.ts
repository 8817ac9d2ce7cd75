import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { ActionContext, ActionOutcome } from '../actions/action.ts';
import type { Catalogue } from '../actions/catalogue.ts';
import { checkRendered } from '../actions/check-with.ts';
import { formatClaimId } from '../domain/claim-id.ts';
import type { StoredError } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import type { AttemptEnd } from '../domain/moves/end-attempt.ts';
import { findOutputFault, makeStorable } from '../domain/storable.ts';
import type { Handout } from '../operations/hand-out.ts';
import type { AttemptLog } from './attempt-log.ts';

/** Why a running action is told to stop; the reason of its AbortSignal. */
export type StopReason = 'timeout' | 'lost' | 'shutdown';

/** A step about to run: what was handed out, with its `with` rendered or the error of that. */
export type RenderedHandout = Handout & {
  rendered: { ok: true; value: Json } | { ok: false; error: StoredError };
};

// A timer cannot be longer: what takes more is waited for in pieces.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs one claimed step by its action, within its timeout. Returns how the attempt ended, or null when its claim was
 * lost meanwhile: then nothing may be written.
 */
export async function runStep(options: {
  handout: RenderedHandout;
  catalogue: Catalogue;
  controller: AbortController;
  attemptLog: AttemptLog;
  progress: (fraction: number) => void;
  log: Logger;
}): Promise<AttemptEnd | null> {
  const { handout, catalogue, controller, attemptLog, log } = options;
  if (!handout.rendered.ok) return failed(handout.rendered.error);
  const action = catalogue.get(handout.uses);
  if (!action) return { kind: 'released' };
  const invalid = checkRendered(action, handout.rendered.value);
  if (invalid) return endOf(invalid);

  const cancelTimeout = after(handout.timeout_in_ms, () => controller.abort('timeout' satisfies StopReason));
  setMaxListeners(0, controller.signal);
  let end: AttemptEnd;
  try {
    const { signal } = controller;
    const context = { signal, log: attemptLog.write, progress: options.progress, claim: claimOf(handout) };
    end = endOf(await action.run(handout.rendered.value, context));
  } catch (error) {
    log.error({ err: error, job_id: handout.job_id, step: handout.step }, `the action ${handout.uses} threw`);
    end = failed({
      code: 'action_crashed',
      message: `the action ${handout.uses} ended with an internal error`,
    });
  } finally {
    cancelTimeout();
  }
  return afterStop(controller.signal, end);
}

function claimOf(handout: Handout): ActionContext['claim'] {
  const { job_id, step, attempt, retry_round } = handout;
  return { id: formatClaimId(handout), job_id, step, attempt, retry_round };
}

/** Calls back once `ms` have passed, however many; the returned function calls it off. */
function after(ms: number, callBack: () => void): () => void {
  const piece = Math.min(LONGEST_TIMER_MS, Math.max(0, ms));
  let cancelRest = () => {};
  const timer = setTimeout(() => {
    if (ms > piece) cancelRest = after(ms - piece, callBack);
    else callBack();
  }, piece);
  return () => {
    clearTimeout(timer);
    cancelRest();
  };
}

function afterStop(signal: AbortSignal, end: AttemptEnd): AttemptEnd | null {
  if (!signal.aborted) return end;
  if (signal.reason === 'lost') return null;
  // What was done before the word to stop came through stays done.
  if (end.kind === 'succeeded') return end;
  return signal.reason === 'timeout' ? { kind: 'timed_out' } : { kind: 'released' };
}

function failed(error: StoredError): AttemptEnd {
  return { kind: 'failed', error, retryable: false };
}

function endOf(outcome: ActionOutcome): AttemptEnd {
  if (outcome.kind === 'failed')
    return { ...outcome, error: makeStorable({ ...outcome.error }) as unknown as StoredError };
  const output = makeStorable(outcome.output);
  const fault = findOutputFault(output);
  if (fault !== null) {
    return failed({
      code: 'output_invalid',
      message: `${fault}; write large data elsewhere and return where it is`,
    });
  }
  if (outcome.kind === 'succeeded') return { kind: 'succeeded', output };
  if (outcome.until !== undefined) return { kind: 'parked', until: Date.parse(outcome.until), output };
  return { kind: 'parked', for_ms: outcome.for_ms ?? 0, output };
}
