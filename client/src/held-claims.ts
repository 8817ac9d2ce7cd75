import { type ClaimEnd, ClaimEnded } from './errors.ts';
import type { StepLog } from './step-log.ts';
import type { Claim } from './wire.ts';

/** A claim that this worker has, from the answer that brought it until its step is settled or it is lost. */
export interface HeldClaim {
  readonly claim: Claim;
  readonly log: StepLog;
  readonly signal: AbortSignal;
  /** `queued` for a slot, `running`, `settling` while its outcome is on its way, `over`: nothing may be written. */
  state: 'queued' | 'running' | 'settling' | 'over';
  /** When it must be assumed lost, on the clock of `performance.now()`. */
  expiresAt: number;
  /** When the attempt's time is over, whatever is extended. */
  readonly deadlineAt: number;
  progress: number | null;
  /** Whether the server has not heard of that progress yet. */
  unreported: boolean;
}

export interface HeldClaims {
  add(claim: Claim, since: number, log: StepLog): HeldClaim;
  all(): IterableIterator<HeldClaim>;
  get(id: string): HeldClaim | undefined;
  /** Takes one away whose step is settled. */
  settled(held: HeldClaim): void;
  /** Ends one before its step: its action is aborted, and nothing is written for it any more. */
  end(held: HeldClaim, reason: ClaimEnd): void;
  /** Aborts its action and keeps the claim, to give the step back. */
  abort(held: HeldClaim): void;
  /** Ends those whose time is over by now. */
  checkTime(): void;
  /** Whether anything may be written for it; ends it when its time is over by now. */
  isValid(held: HeldClaim): boolean;
}

const MESSAGES: Record<ClaimEnd, string> = {
  cancelled: 'the job was cancelled',
  lost: 'the claim is lost: the step was given back and another worker may run it, or its job was deleted',
  expired: 'the claim must be assumed lost: it could not be extended in time',
  timed_out: 'the time of the attempt is over',
  stopping: 'the worker stops',
};

/** The claims of one worker. `onEnd` hears of those that end before their steps. */
export function createHeldClaims(onEnd: (held: HeldClaim, ended: ClaimEnded) => void): HeldClaims {
  const claims = new Map<string, HeldClaim>();
  const controllers = new WeakMap<HeldClaim, AbortController>();

  function add(claim: Claim, since: number, log: StepLog): HeldClaim {
    const controller = new AbortController();
    const held: HeldClaim = {
      claim,
      log,
      signal: controller.signal,
      state: 'queued',
      expiresAt: since + claim.expires_in_ms,
      deadlineAt: since + claim.deadline_in_ms,
      progress: null,
      unreported: false,
    };
    controllers.set(held, controller);
    claims.set(claim.id, held);
    return held;
  }

  function end(held: HeldClaim, reason: ClaimEnd): void {
    if (held.state === 'over') return;
    held.state = 'over';
    claims.delete(held.claim.id);
    abort(held, reason);
    // What was logged before a cancel is still taken, for a while.
    if (reason === 'cancelled') void held.log.flush(0);
    else held.log.drop();
  }

  function abort(held: HeldClaim, reason: ClaimEnd): void {
    if (held.signal.aborted) return;
    const ended = new ClaimEnded(reason, MESSAGES[reason]);
    onEnd(held, ended);
    controllers.get(held)?.abort(ended);
  }

  function checkTime(): void {
    for (const held of claims.values()) isValid(held);
  }

  function isValid(held: HeldClaim): boolean {
    const now = performance.now();
    if (now >= held.deadlineAt) end(held, 'timed_out');
    else if (now >= held.expiresAt) end(held, 'expired');
    return held.state !== 'over';
  }

  return {
    add,
    end,
    abort: (held) => abort(held, 'stopping'),
    checkTime,
    isValid,
    all: () => claims.values(),
    get: (id) => claims.get(id),
    settled: (held) => {
      held.state = 'over';
      claims.delete(held.claim.id);
    },
  };
}
