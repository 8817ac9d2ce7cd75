import { Worker } from 'node:worker_threads';
import { AppError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { FORMATS } from './formats.ts';
import { answerQuestion, type Question, type Reply } from './parse-body.ts';

let last: Promise<unknown> = Promise.resolve();

/**
 * Answers a question about a body. Large ones in YAML and TOML are read in a thread of their own, one at a time, with
 * bounds of time and memory: their readers take seconds for megabytes, in which nothing else would be answered, and a
 * hostile text finds something that takes longer. Throws `payload_too_large` when the bounds do not suffice, and
 * `bad_request` when `isGone` says at its turn that nobody waits for the answer any more: the others wait for each.
 */
export async function readApart(question: Question, isGone: () => boolean): Promise<Reply> {
  if (question.format === 'json' || question.text.length <= LIMITS.readAtOnceBytes) {
    return await answerQuestion(question);
  }
  const turn = last.then(() => {
    if (isGone()) throw new AppError('bad_request', 'the client has left before its body was read');
    return askThread(question);
  });
  last = turn.catch(() => undefined);
  return await turn;
}

function askThread(question: Question): Promise<Reply> {
  const tooMuch = new AppError(
    'payload_too_large',
    `the ${FORMATS[question.format].title} takes too long, or too much memory, to be read; send the job as JSON`,
  );
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./reading-thread.ts', import.meta.url), {
      workerData: question,
      // What the server was started with is not for a thread: `--require` would run again in each.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: LIMITS.readApartMegabytes },
    });
    const timer = setTimeout(() => {
      reject(tooMuch);
      void thread.terminate();
    }, LIMITS.readApartTime);
    thread.once('message', resolve);
    thread.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooMuch : error),
    );
    thread.once('exit', () => {
      clearTimeout(timer);
      // Does nothing when there was an answer before.
      reject(new Error('the thread that reads bodies ended without an answer'));
    });
  });
}
