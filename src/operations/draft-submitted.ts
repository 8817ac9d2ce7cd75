import { v7 as uuidv7 } from 'uuid';
import { evaluateCondition } from '../domain/expression/evaluate.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { draftNewJob } from '../domain/moves/new-job.ts';

/** The first state of a submitted job, under a new id. `now` is the database's clock, looked at for a `run_at` alone. */
export function draftSubmitted(job: NormalJob, now: number): JobDraft {
  const id = uuidv7();
  const runIn = job.run_at === null ? job.delay_ms : job.run_at.getTime() - now;
  return draftNewJob(id, job, runIn, (step) =>
    evaluateCondition(step.if ?? 'true', {
      job: { id },
      input: job.input,
      steps: {},
      needs: [],
      success: true,
      failure: false,
    }),
  );
}
