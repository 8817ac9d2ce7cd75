import type { Client, Job } from '../../client/src/index.ts';

/** Shows a job on its way. */
export interface Display {
  /** Whether it wants the steps, under `steps.data`. */
  includeSteps: boolean;
  /** The job has changed. */
  show(job: Job, client: Client, signal: AbortSignal): Promise<void>;
  /** The server has fallen silent, or answers again. */
  silence(silent: boolean): void;
  /** Nothing more comes; with the job, if it is over. */
  end(job: Job | null, client: Client): Promise<void>;
}
