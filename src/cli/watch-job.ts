import { setTimeout as sleep } from 'node:timers/promises';
import { isTerminal, type Job } from '../../client/src/index.ts';
import { formatDuration } from '../domain/duration.ts';
import { createChangeLines } from './change-lines.ts';
import type { Display } from './display.ts';
import { EXIT, exitOfJob } from './exit-codes.ts';
import { type Given, LONG_PATIENCE_MS } from './given.ts';
import { createLiveDisplay } from './live-display.ts';
import { Interrupted, WaitOver } from './trouble.ts';

// A job of many short steps changes hundreds of times a second; nobody reads as fast.
const SHORTEST_MS = 200;

/** Follows a job until it is over and gives the exit code for it; throws WaitOver and Interrupted. */
export async function watchJob(given: Given, id: string, timeoutMs: number | undefined): Promise<number> {
  const { output } = given;
  const display = output.json
    ? jsonLines(given)
    : output.canRedraw()
      ? createLiveDisplay(output)
      : createChangeLines(output);
  const client = given.connect({ patienceMs: LONG_PATIENCE_MS, onSilence: display.silence });
  let last: Job | null = null;
  const status = () => last?.status;
  return await untilStopped({ id, timeoutMs, status }, async (signal) => {
    try {
      for await (const job of client.watch(id, { includeSteps: display.includeSteps, signal })) {
        last = job;
        await display.show(job, client, signal);
        if (!isTerminal(job.status))
          await sleep(SHORTEST_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    } finally {
      await display.end(last !== null && isTerminal(last.status) ? last : null, client);
    }
    return exitOfJob(last?.status ?? '') ?? EXIT.failed;
  });
}

function jsonLines({ output }: Given): Display {
  return {
    includeSteps: false,
    show: async (job) => output.printJsonLine(job),
    silence: () => {},
    end: async () => {},
  };
}

interface Looking {
  id: string;
  timeoutMs: number | undefined;
  /** What is said of the job when the time is over. */
  what?: string;
  /** Of the job when it was last looked at. */
  status?(): string | undefined;
}

/**
 * Runs something that only looks on: Ctrl-C and a passed `timeoutMs` abort its signal, and it then throws what says
 * that the job is left as it is.
 */
export async function untilStopped<Result>(
  { id, timeoutMs, what = 'is not over', status = () => undefined }: Looking,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const stop = new AbortController();
  const goesOn = () =>
    status() === 'paused'
      ? `it is paused, and \`holdfast resume ${id}\` lets it go on`
      : `${status() === undefined ? 'it is left as it is' : 'it goes on by itself'}, and \`holdfast watch ${id}\` comes back to it`;
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort(new Interrupted(`stopped looking at the job; ${goesOn()}`));
  };
  const over = () =>
    stop.abort(new WaitOver(`the job ${what} after ${formatDuration(timeoutMs ?? 0)}; ${goesOn()}`));
  const timer = timeoutMs === undefined ? undefined : setTimeout(over, timeoutMs);
  // Not `once`: when it alone is left, what restores the cursor ends the process before anything is said.
  process.on('SIGINT', interrupt);
  try {
    return await work(stop.signal);
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', interrupt);
  }
}
