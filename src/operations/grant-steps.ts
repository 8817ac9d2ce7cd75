import type { JobDraft } from '../domain/moves/draft.ts';
import { type ClaimedStep, claimInDraft } from './advance-jobs.ts';
import { chooseTakers, type Taker } from './choose-takers.ts';
import { type ClaimRequest, termsOf } from './claim-request.ts';
import type { Absence } from './lock-takers.ts';

/** What a request was given, and whether it was seen that more is ready; or why it could be given nothing. */
export type Grants = Granted | Absence;

interface Granted {
  claims: ClaimedStep[];
  more: boolean;
}

/** Hands the picked steps out to those who are there, in order. */
export function grantSteps(
  drafts: readonly JobDraft[],
  picked: readonly { job_id: string; ordinal: number }[],
  requests: readonly ClaimRequest[],
): Map<ClaimRequest, Granted> {
  const byId = new Map(drafts.map((draft) => [draft.job.id, draft]));
  const takers = chooseTakers(requests);
  for (const { job_id, ordinal } of picked) {
    const draft = byId.get(job_id);
    const step = draft?.steps.get(ordinal);
    const taker: Taker | null = step ? takers.takerOf(step, job_id) : null;
    if (!draft || !step || !taker) continue;
    const { request } = taker;
    const claim = claimInDraft(draft, step, termsOf(request));
    taker.claims.push(claim);
    request.granted?.(claim);
  }
  return takers.all();
}
