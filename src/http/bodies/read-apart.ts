import { Worker } from 'node:worker_threads';
import { AppError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { FORMATS } from './formats.ts';
import { answerQuestion, type Question, type Reply } from './parse-body.ts';

let last: Promise<unknown> = Promise.resolve();
/** Who waits, as `isGone`: who has left waits no more, and only its turn has not come. */
const waiting = new Set<() => boolean>();

/**
 * Answers a question about a body. Large ones in YAML and TOML are read in a thread of their own, one at a time, with
 * bounds of time and memory: their readers take seconds for megabytes, in which nothing else would be answered, and a
 * hostile text finds something that takes longer. Throws `payload_too_large` when the bounds do not suffice,
 * `overloaded` when too many wait, `shutting_down` as soon as `stopping` is aborted, and `bad_request` when `isGone` says
 * at its turn that nobody waits for the answer any more: the others wait for each.
 */
export async function readApart(
  question: Question,
  { isGone, stopping }: { isGone: () => boolean; stopping: AbortSignal },
): Promise<Reply> {
  if (question.format === 'json' || question.text.length <= LIMITS.readAtOnceBytes) {
    return await answerQuestion(question);
  }
  if (stopping.aborted) throw shuttingDown();
  const there = [...waiting].filter((hasLeft) => !hasLeft());
  if (there.length >= LIMITS.bodiesReadApart) throw tooMany();
  waiting.add(isGone);
  const turn = last.then(() => {
    waiting.delete(isGone);
    if (stopping.aborted) throw shuttingDown();
    if (isGone()) throw new AppError('bad_request', 'the client has left before its body was read');
    return askThread(question, stopping);
  });
  last = turn.catch(() => undefined);
  return await turn;
}

function tooMany(): AppError {
  const detail = `${LIMITS.bodiesReadApart} large bodies in YAML or TOML wait here to be read; try again in a second, or send JSON`;
  return new AppError('overloaded', detail);
}

function shuttingDown(): AppError {
  return new AppError('shutting_down', 'this server is shutting down; send it again, or to another one');
}

function askThread(question: Question, stopping: AbortSignal): Promise<Reply> {
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
    const end = (why: AppError) => {
      reject(why);
      void thread.terminate();
    };
    const timer = setTimeout(end, LIMITS.readApartTime, tooMuch);
    const stop = () => end(shuttingDown());
    stopping.addEventListener('abort', stop, { once: true });
    thread.once('message', resolve);
    thread.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooMuch : error),
    );
    thread.once('exit', () => {
      clearTimeout(timer);
      stopping.removeEventListener('abort', stop);
      // Does nothing when there was an answer before.
      reject(new Error('the thread that reads bodies ended without an answer'));
    });
  });
}
