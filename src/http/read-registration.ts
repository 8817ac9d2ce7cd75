import type { WorkerRegistrationBody } from '../contract/worker.ts';
import { AppError } from '../domain/errors.ts';
import { readLabels } from '../domain/job-definition/head.ts';
import { collectProblems } from '../domain/job-definition/read.ts';
import { findUnstorable } from '../domain/storable.ts';
import type { RemoteWorker } from '../repositories/remote-workers.ts';

/**
 * What a body says of a worker, defaults filled in. What its schema cannot judge is judged here: what cannot be stored,
 * and labels, by the rules of those of jobs. Throws `invalid_body` with everything that is wrong.
 */
export function readRegistration(body: WorkerRegistrationBody): RemoteWorker {
  const problems = collectProblems();
  findUnstorable(body, '', ({ pointer, code, detail }) => problems.add(pointer, code, detail));
  const { labels: given = {} } = body;
  const labels = readLabels({ fields: { labels: given }, pointer: '', problems }, 'a worker');
  const [first] = problems.list;
  if (first !== undefined) throw new AppError('invalid_body', first.detail, problems.list);
  const { name, uses, queues = null, slots = 1, version = '' } = body;
  return { name, uses, queues, slots, version, labels };
}
