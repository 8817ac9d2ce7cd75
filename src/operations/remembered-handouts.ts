import type { JobDraft, StepState } from '../domain/moves/draft.ts';
import type { RemoteHandout } from '../repositories/load-scopes.ts';
import type { ClaimedStep } from './advance-jobs.ts';

/** Gives committed claims what is to be run, as far as their drafts have it: that spares a look into the database. */
export function addHandouts(drafts: readonly JobDraft[], claims: readonly ClaimedStep[]): void {
  if (claims.length === 0) return;
  const byId = new Map(drafts.map((draft) => [draft.job.id, draft]));
  for (const claim of claims) {
    const draft = byId.get(claim.job_id);
    const step = draft?.steps.get(claim.ordinal);
    if (draft && step?.claim_id === claim.claim_id) claim.handout = handoutOf(draft, step);
  }
}

function handoutOf({ job, now }: JobDraft, step: StepState): RemoteHandout | undefined {
  const { work, claim_id, claim_expires_at } = step;
  if (!work || !job.about || claim_id === null || claim_expires_at === null) return undefined;
  const { ordinal, uses, queue, attempt, max_attempts, timeout_ms } = step;
  return {
    ...{
      job_id: job.id,
      ordinal,
      claim_id,
      job_name: job.name,
      retry_round: job.retry_round,
      step: step.name,
    },
    ...{ uses, queue, attempt, max_attempts, with: work.with, with_reads: null, needs: null, input: null },
    // It starts now.
    timeout_in_ms: timeout_ms,
    expires_at: new Date(claim_expires_at),
    expires_in_ms: claim_expires_at - now,
    deadline_in_ms: Math.min(timeout_ms, job.deadline_at - now),
    ...job.about,
  };
}
