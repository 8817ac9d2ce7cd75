import type { Store } from '../database/store.ts';
import { changeJob, changeStep, type JobDraft } from '../domain/moves/draft.ts';
import { jobProgress } from '../domain/progress.ts';
import type { RunningStep } from '../repositories/find-due.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { changeFreeJobs, draftsOfSteps } from './change-free-jobs.ts';

/** How far one running step says it is, 0 to 1. */
export interface ProgressReport extends RunningStep {
  progress: number;
}

/**
 * Writes what running steps report of their progress, and that of their jobs with it. Reports of claims that are over
 * are dropped. Returns those of jobs that somebody else holds just now, or that are gone.
 */
export async function reportProgress(
  store: Store,
  reports: readonly ProgressReport[],
): Promise<ProgressReport[]> {
  const ids = reports.map((report) => report.job_id);
  const drafts = await changeFreeJobs(store, ids, async (tx, locked) => {
    const { drafts, mine } = await draftsOfSteps(tx, locked, reports);
    for (const report of mine) applyReport(drafts.get(report.job_id) as JobDraft, report);
    await saveDrafts(tx, [...drafts.values()]);
    return [...drafts.values()];
  });
  const written = new Set(drafts.map((draft) => draft.job.id));
  return reports.filter((report) => !written.has(report.job_id));
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
