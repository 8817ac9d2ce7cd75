import { AppError } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { jsonBytes } from '../domain/storable.ts';
import type { RemoteResult } from '../operations/remote-desk.ts';
import type { StepOutcome } from '../operations/step-outcome.ts';
import type { RemoteTaker } from './hand-offs.ts';
import type { Settler } from './settler.ts';

/** Outcomes of remote workers on their way to the database, in one batch with those of everybody else. */
export interface RemoteOutcomes {
  /** Throws `too_many_waiting` when there is no room for so many more, `overloaded` when they are too large. */
  makeRoom(outcomes: readonly StepOutcome[]): void;
  /**
   * Answers after the commit, one result each, in their order. Rejects with `database_unavailable` when that takes too
   * long; they are kept and tried again all the same. `taker`: who gets the steps that become ready by them.
   */
  write(outcomes: readonly StepOutcome[], taker: RemoteTaker | null): Promise<RemoteResult[]>;
}

// Whoever waits longer than this while the database is away is told so.
const PATIENCE_MS = 10_000;

export function createRemoteOutcomes(settler: Settler, patienceMs: number = PATIENCE_MS): RemoteOutcomes {
  // What is sent again while it is being written is written once: with the database away, clients go on and on.
  const writing = new Map<string, Promise<RemoteResult>>();
  let held = 0;

  const push = (outcome: StepOutcome, taker: RemoteTaker | null) => {
    const name = `${outcome.claim_id} ${outcome.end.kind}`;
    const before = writing.get(name);
    if (before !== undefined) return before;
    const bytes = bytesOf(outcome);
    held += bytes;
    const written = new Promise<RemoteResult>((done) => {
      settler.push(outcome, { taker, done });
    }).finally(() => {
      held -= bytes;
      writing.delete(name);
    });
    writing.set(name, written);
    return written;
  };

  return {
    makeRoom(outcomes) {
      if (writing.size + outcomes.length > LIMITS.outcomesWaiting) throw tooMany();
      const more = outcomes.reduce((sum, outcome) => sum + bytesOf(outcome), 0);
      // However large: when nothing else is kept, it is taken.
      if (held > 0 && held + more > LIMITS.outcomesWaitingBytes) throw tooMuch();
    },
    write: (outcomes, taker) =>
      inTime(Promise.all(outcomes.map((outcome) => push(outcome, taker))), patienceMs),
  };
}

function tooMany(): AppError {
  const detail = `${LIMITS.outcomesWaiting} outcomes wait here to be written; send these again in a second`;
  return new AppError('too_many_waiting', detail);
}

function tooMuch(): AppError {
  const most = LIMITS.outcomesWaitingBytes / 1024 / 1024;
  return new AppError(
    'overloaded',
    `${most} MiB of outcomes wait here to be written; send these again in a second`,
  );
}

function bytesOf({ end }: StepOutcome): number {
  if (end.kind === 'succeeded') return jsonBytes(end.output);
  return end.kind === 'failed' ? jsonBytes(end.error as unknown as Json) : 0;
}

async function inTime<Result>(promise: Promise<Result>, ms: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const detail =
        'the database does not take the outcome now; it is kept and tried again, and sending it again is harmless';
      reject(new AppError('database_unavailable', detail));
    }, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
