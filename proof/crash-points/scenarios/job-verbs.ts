import type { Store } from '../../../src/database/store.ts';
import { cancelJob } from '../../../src/operations/cancel-job.ts';
import { deleteJob } from '../../../src/operations/delete-job.ts';
import { pauseJob } from '../../../src/operations/pause-job.ts';
import { reportProgress } from '../../../src/operations/report-progress.ts';
import { resumeJob } from '../../../src/operations/resume-job.ts';
import { retryJob } from '../../../src/operations/retry-job.ts';
import { scenario } from '../scenario.ts';
import { FAILED, orRefused, step, submit, take, takeAndEnd } from './situation.ts';

interface OnJob {
  id: string;
}

const GRAPH = [step('a'), step('b'), step('c'), step('d', ['a']), step('e', ['b', 'd'])];

/** One step has succeeded, one runs, one is ready and two are held. */
async function underWay(store: Store): Promise<OnJob> {
  const id = await submit(store, 'under way', GRAPH, { max_parallel: 2 });
  await takeAndEnd(store, 1);
  await take(store, 1);
  return { id };
}

/** One step has succeeded, one has failed, what is below was skipped. */
async function failed(store: Store): Promise<OnJob> {
  const id = await submit(store, 'failed', [step('a'), step('b'), step('c', ['a']), step('d', ['b', 'c'])]);
  await takeAndEnd(store, 1);
  await takeAndEnd(store, 1, FAILED);
  await takeAndEnd(store, 5);
  return { id };
}

const cancel = (store: Store, { id }: OnJob) => cancelJob(store, id, 'no longer wanted');

export const jobVerbs = [
  scenario<OnJob>({ name: 'cancel: a job under way', prepare: underWay, run: cancel, again: cancel }),
  scenario<OnJob>({
    name: 'cancel: a paused job',
    async prepare(store) {
      const request = await underWay(store);
      await pauseJob(store, request.id);
      return request;
    },
    run: cancel,
    again: cancel,
  }),
  scenario<OnJob>({
    name: 'pause: a job under way',
    prepare: underWay,
    run: (store, { id }) => pauseJob(store, id),
    again: (store, { id }) => pauseJob(store, id),
  }),
  scenario<OnJob>({
    name: 'resume: a paused job',
    async prepare(store) {
      const request = await underWay(store);
      await pauseJob(store, request.id);
      return request;
    },
    run: (store, { id }) => resumeJob(store, id),
    again: (store, { id }) => resumeJob(store, id),
  }),
  scenario<OnJob>({
    name: 'retry: a failed job',
    prepare: failed,
    run: (store, { id }) => retryJob(store, id),
    again: (store, { id }) => orRefused(['job_not_retryable'], retryJob(store, id)),
  }),
  scenario<OnJob>({
    name: 'retry: a cancelled job',
    async prepare(store) {
      const request = await underWay(store);
      await cancel(store, request);
      return request;
    },
    run: (store, { id }) => retryJob(store, id),
    again: (store, { id }) => orRefused(['job_not_retryable'], retryJob(store, id)),
  }),
  scenario<Parameters<typeof reportProgress>[1]>({
    name: 'progress: of a running step',
    async prepare(store) {
      await submit(store, 'slow', [step('a'), step('b', ['a'])]);
      return (await take(store, 1)).map((claim) => ({ ...claim, progress: 0.5 }));
    },
    run: reportProgress,
    again: reportProgress,
  }),
  scenario<OnJob>({
    name: 'delete: a job that is over',
    prepare: failed,
    run: (store, { id }) => deleteJob(store, id),
    again: (store, { id }) => orRefused(['job_not_found'], deleteJob(store, id)),
  }),
];
