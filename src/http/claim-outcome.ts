import type { SettleBatch, SettledClaimBody, SettledClaimListBody } from '../contract/settle-claim.ts';
import { type ClaimEnd, type ClaimVerb, claimRefusal } from '../domain/claim-end.ts';
import { type ClaimKey, formatClaimId, parseClaimId } from '../domain/claim-id.ts';
import { AppError, type StoredError } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { AttemptEnd } from '../domain/moves/end-attempt.ts';
import { findOutputFault, makeStorable } from '../domain/storable.ts';
import type { StepAfter, StepOutcome } from '../operations/step-outcome.ts';
import { readDuration } from './claim-request.ts';
import { PROBLEMS } from './problem-details.ts';

/** How a worker says that an attempt ended, as one call or as one item of a batch. */
export type SaidOutcome = SettleBatch['outcomes'][number];

/** What the worker said, read: the call that it amounts to, and the outcome. */
export interface ReadOutcome {
  verb: ClaimVerb;
  outcome: StepOutcome;
}

/** Reads an outcome. Throws `claim_not_found` for an id that no claim can have, `invalid_body` for what cannot be kept. */
export function readOutcome(said: SaidOutcome, pointer: string): ReadOutcome {
  const key = claimKeyOf(said.id);
  checkOneWay(said, pointer);
  if (said.error !== undefined) return { verb: 'fail', outcome: { ...key, end: failedEnd(said, pointer) } };
  if (said.release) {
    const delay_ms = readDelay(said.delay, `${pointer}/delay`);
    return { verb: 'release', outcome: { ...key, end: { kind: 'released', delay_ms } } };
  }
  return { verb: 'complete', outcome: { ...key, end: succeededEnd(said.output ?? null, pointer) } };
}

// What does not go together was not meant: above all, no failure may pass for a success because its error is missing.
function checkOneWay(said: SaidOutcome, pointer: string): void {
  const { output, error, release, retryable, retry_after, delay } = said;
  const refuse = (field: string, detail: string) => {
    throw new AppError('invalid_body', detail, [
      { pointer: `${pointer}/${field}`, code: 'invalid_value', detail },
    ]);
  };
  if (error !== undefined && release)
    refuse('release', 'say either `error` or `release`: an attempt ends in one way');
  if ((output ?? null) !== null && (error !== undefined || release))
    refuse('output', 'an attempt that failed or is given back has no `output`');
  if (error === undefined && retryable !== undefined)
    refuse('retryable', '`retryable` goes with `error`: say what failed');
  if (error === undefined && retry_after !== undefined)
    refuse('retry_after', '`retry_after` goes with `error`: say what failed');
  if (!release && delay !== undefined) refuse('delay', '`delay` goes with `release: true`');
}

/** The claim that an id of the wire stands for. Throws `claim_not_found`. */
export function claimKeyOf(id: string): ClaimKey {
  const key = parseClaimId(id);
  if (key === null) throw claimRefusal({ kind: 'unknown' });
  return key;
}

function succeededEnd(said: Json, pointer: string): AttemptEnd {
  const output = makeStorable(said);
  const fault = findOutputFault(output);
  if (fault === null) return { kind: 'succeeded', output };
  const detail = `${fault}; write large data elsewhere and return where it is. The claim is still yours`;
  throw new AppError('invalid_body', detail, [
    { pointer: `${pointer}/output`, code: 'invalid_output', detail },
  ]);
}

function failedEnd({ error, retryable = true, retry_after }: SaidOutcome, pointer: string): AttemptEnd {
  const said = { code: 'failed', message: '', ...error };
  const fault = findOutputFault(said as Json);
  if (fault !== null) {
    throw new AppError('invalid_body', fault, [
      { pointer: `${pointer}/error`, code: 'invalid_value', detail: fault },
    ]);
  }
  return {
    kind: 'failed',
    error: makeStorable(said as Json) as unknown as StoredError,
    retryable,
    retry_after_ms: readDelay(retry_after, `${pointer}/retry_after`),
  };
}

function readDelay(value: string | number | undefined, pointer: string): number {
  return value === undefined ? 0 : readDuration(value, pointer, { min: 0, max: LIMITS.delay });
}

/** What a worker is answered about one outcome of a batch. */
export type OutcomeAnswer = SettledClaimListBody['data'][number];

/**
 * The answer to an outcome: what it led to, or, if its claim was not valid, what became of that one before. The same
 * call again gets the first answer; for the others the refusal is returned.
 */
export function answerOutcome(
  { verb, outcome }: ReadOutcome,
  result: StepAfter | 'claim_lost',
  ends: ReadonlyMap<string, ClaimEnd>,
): SettledClaimBody | AppError {
  const id = formatClaimId(outcome);
  if (result !== 'claim_lost') return { id, ...whatCame(verb, result) };
  const end = ends.get(outcome.claim_id) ?? { kind: 'unknown' };
  // It was tried for so long that it was given up; nobody knows better than whoever tries again.
  if (end.kind === 'running')
    return new AppError('database_unavailable', 'the outcome could not be written; send it again');
  if (end.kind !== 'ended' || end.verb !== verb) return claimRefusal(end);
  const { outcome: first, retry_in_ms } = end;
  return { id, outcome: first, ...(retry_in_ms === undefined ? {} : { retry_in_ms }) };
}

/** An answer as an item of a batch. */
export function batchItem(id: string, answer: SettledClaimBody | AppError): OutcomeAnswer {
  if (!(answer instanceof AppError)) return { ...answer, status: 200 };
  return { id, status: PROBLEMS[answer.code].status, code: answer.code, detail: answer.message };
}

function whatCame(verb: ClaimVerb, { failed, retry_in_ms }: StepAfter) {
  const retry = retry_in_ms === null ? {} : { retry_in_ms: Math.ceil(retry_in_ms) };
  if (verb === 'release') return { outcome: 'released', ...retry } as const;
  if (failed) return { outcome: 'failed' } as const;
  return verb === 'fail' ? ({ outcome: 'retrying', ...retry } as const) : ({ outcome: 'succeeded' } as const);
}
