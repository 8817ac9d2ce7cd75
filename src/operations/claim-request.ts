import type { StepState } from '../domain/moves/draft.ts';
import type { ClaimTerms } from '../domain/moves/hold.ts';
import type { ClaimedStep } from './advance-jobs.ts';

/** What a worker asks for. */
export interface ClaimRequest {
  workerId: string;
  /** For each action, how many of its steps at most. */
  uses: readonly { uses: string; max: number }[];
  /** How many in all at most; absent: as many as of all actions together. */
  room?: number;
  /** Null: every queue. */
  queues: readonly string[] | null;
  ttlMs: number;
  /**
   * Of a remote worker: the id of its request, if it gave one. Its row is locked before anything is granted, so that
   * two copies of a request run in turn and a worker that was removed gets nothing. Absent: a server's own pool.
   */
  remote?: { requestId: string | null };
  /** A last word on each step, in order: false leaves it to others. */
  accept?: (step: StepState, jobId: string) => boolean;
  /** Told of each claim before the commit: should its answer get lost, the worker knows what to ask for. */
  granted?: (claim: ClaimedStep) => void;
}

/** The terms on which this worker is handed a step. */
export function termsOf({
  workerId,
  ttlMs,
  remote,
}: Pick<ClaimRequest, 'workerId' | 'ttlMs' | 'remote'>): ClaimTerms {
  return {
    claimed_by: workerId,
    ttl_ms: ttlMs,
    ...(remote === undefined ? {} : { claim_ttl_ms: ttlMs, claim_request: remote.requestId }),
  };
}
