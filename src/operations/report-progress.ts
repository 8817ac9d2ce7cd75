import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { changeJob, changeStep, type JobDraft, openDraft } from '../domain/moves/draft.ts';
import { jobProgress } from '../domain/progress.ts';
import type { RunningStep } from '../repositories/find-due.ts';
import { loadStepsAndDependents } from '../repositories/load-steps.ts';
import { lockJobs } from '../repositories/lock-jobs.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { addLoaded, announce } from './advance-jobs.ts';

/** How far one running step says it is, 0 to 1. */
export interface ProgressReport extends RunningStep {
  progress: number;
}

/**
 * Writes what running steps report of their progress, and that of their jobs with it. Reports of claims that are over,
 * or of jobs that somebody else holds just now, are dropped: the next one comes soon.
 */
export async function reportProgress(store: Store, reports: readonly ProgressReport[]): Promise<void> {
  if (reports.length === 0) return;
  const drafts = await inTransaction(store.db, async (tx) => {
    const locked = await lockJobs(tx, [...new Set(reports.map((report) => report.job_id))], 'skip');
    const drafts = new Map(locked.map(({ job, now }) => [job.id, openDraft(job, [], now)]));
    const mine = reports.filter((report) => drafts.has(report.job_id));
    if (mine.length === 0) return [];
    addLoaded([...drafts.values()], await loadStepsAndDependents(tx, mine));
    for (const report of mine) applyReport(drafts.get(report.job_id) as JobDraft, report);
    await saveDrafts(tx, [...drafts.values()]);
    return [...drafts.values()];
  });
  announce(store, drafts);
}

function applyReport(draft: JobDraft, report: ProgressReport): void {
  const step = draft.steps.get(report.ordinal);
  if (step?.status !== 'running' || step.claim_id !== report.claim_id) return;
  const progress = Math.min(1, Math.max(0, report.progress));
  const before = step.progress ?? 0;
  if (step.progress === progress) return;
  changeStep(draft, step, { progress });
  const running_progress = Math.max(0, draft.job.running_progress + progress - before);
  changeJob(draft, { running_progress });
  draft.job.progress = jobProgress(draft.job);
}
