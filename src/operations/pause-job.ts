import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import { addSteps } from '../domain/moves/draft.ts';
import { pauseJobDraft } from '../domain/moves/pause-job.ts';
import { loadOpenSteps } from '../repositories/load-steps.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { changeOneJob } from './change-job.ts';

/**
 * Pauses a job: no further step starts, running ones finish. Pausing again changes nothing. Throws `job_not_found`,
 * and `job_terminal` for one that ended.
 */
export async function pauseJob(store: Store, id: string): Promise<void> {
  await changeOneJob(store, id, async (tx, draft) => {
    const { status } = draft.job;
    if (status === 'paused') return;
    if (isTerminalJob(status)) {
      throw new AppError(
        'job_terminal',
        `the job is ${status} already; only a job that is not over can be paused`,
      );
    }
    if (draft.job.steps_ready > 0) addSteps(draft, await loadOpenSteps(tx, [id]));
    pauseJobDraft(draft);
    await saveDrafts(tx, [draft]);
  });
}
