import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import { resumeJobDraft } from '../domain/moves/pause-job.ts';
import { advanceJobs } from './advance-jobs.ts';
import { changeOneJob } from './change-job.ts';

/**
 * Resumes a paused job where it stood. Resuming one that is not paused changes nothing. Throws `job_not_found`, and
 * `job_terminal` for one that ended.
 */
export async function resumeJob(store: Store, id: string): Promise<void> {
  await changeOneJob(store, id, async (tx, draft) => {
    const { status } = draft.job;
    if (isTerminalJob(status)) {
      const hint =
        status === 'succeeded' ? 'submit it again to run it anew' : 'use retry to run what did not succeed';
      throw new AppError('job_terminal', `the job is ${status} already; ${hint}`);
    }
    if (status !== 'paused') return;
    resumeJobDraft(draft);
    await advanceJobs(tx, [draft], { loadHeld: true });
  });
}
