import { HoldfastError } from './errors.ts';
import type { HeldClaim, HeldClaims } from './held-claims.ts';
import { newKey } from './job-calls.ts';
import { invalidOutput, type Outcome } from './step-outcome.ts';
import { backoff, sleep } from './timing.ts';
import type { Transport } from './transport.ts';
import type { Claim, ClaimList, SettledClaimList } from './wire.ts';
import type { WorkerEvent } from './worker-options.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

/** What of a worker is needed to talk to the server about its claims. */
export interface ClaimTalk {
  transport: Transport;
  held: HeldClaims;
  /** The id of the worker as it is now. */
  workerId(): string;
  /** Registers again when the server does not know that worker any more. */
  registerAgain(unknownId: string): Promise<void>;
  /** How long claims are to be valid; as the server says when absent. */
  ttlMs: number | undefined;
  /** Takes claims that were granted; `since`: from when their times count, by `performance.now()`. */
  onClaims(claims: readonly Claim[], since: number): void;
  onCommand(command: ClaimList['command']): void;
  emit(event: WorkerEvent): void;
  /** Aborted when the worker has left: nothing is sent any more. */
  life: AbortSignal;
}

/** How the attempt of a claim ended. */
export interface Ending {
  held: HeldClaim;
  outcome: Outcome;
}

/** What a request for claims says; `request_id` makes one that is sent again give the same claims. */
export function claimFields(talk: ClaimTalk, worker_id: string, max: number) {
  const ttl = talk.ttlMs === undefined ? {} : { ttl: `${talk.ttlMs}ms` };
  return { worker_id, request_id: newKey(), max, ...ttl };
}

/**
 * Settles these, and asks for up to `max` next claims in the same call. Goes on until each is answered for or its claim
 * must be assumed lost; never rejects. `again` gets what has to be settled otherwise.
 */
export async function settleEndings(
  talk: ClaimTalk,
  given: readonly Ending[],
  max: number,
  again: (ending: Ending) => void,
  refusals = 0,
): Promise<void> {
  // Nothing is written for a claim that must be assumed lost.
  const endings = given.filter(({ held }) => talk.held.isValid(held));
  if (endings.length === 0) return;
  const worker_id = talk.workerId();
  const sentAt = performance.now();
  const left = Math.max(...endings.map(({ held }) => held.expiresAt)) - sentAt;
  const next = max === 0 ? undefined : claimFields(talk, worker_id, max);
  const body = writeEndings(endings, next);
  // Time for at least one more try, should the answer get lost.
  const timeoutMs = Math.min(30_000, Math.max(1_000, left / 2));
  const call = { method: 'POST', path: '/v1/claims/settle', headers: JSON_TYPE, body } as const;
  // Several tries fit into what is left of the claims, however long a pause the server asks for.
  const longestPauseMs = Math.max(500, left / 4);
  const limits = { repeatable: true, timeoutMs, patienceMs: left, longestPauseMs, signal: talk.life };
  let answer: SettledClaimList;
  try {
    answer = (await talk.transport.send({ ...call, ...limits })).json<SettledClaimList>();
  } catch (error) {
    await onRefusal(talk, endings, { max, worker_id, error, again, refusals });
    return;
  }
  answer.data.forEach((item, index) => {
    hear(talk, endings[index] as Ending, item, again);
  });
  if (answer.command !== undefined) talk.onCommand(answer.command);
  talk.onClaims(answer.claims, sentAt);
}

interface Refusal {
  max: number;
  worker_id: string;
  error: unknown;
  again(ending: Ending): void;
  /** How often they were refused before for what is not their fault. */
  refusals: number;
}

async function onRefusal(talk: ClaimTalk, endings: readonly Ending[], refusal: Refusal): Promise<void> {
  const { max, worker_id, error, again, refusals } = refusal;
  if (talk.life.aborted || !(error instanceof HoldfastError)) {
    // It was tried until the last of these claims had to be assumed lost.
    for (const { held } of endings) talk.held.end(held, talk.life.aborted ? 'stopping' : 'expired');
  } else if (error.code === 'worker_not_found') {
    await talk.registerAgain(worker_id).catch(() => {});
    await settleEndings(talk, endings, max, again);
  } else if (![400, 413, 422].includes(error.status)) {
    // Not what was sent is at fault.
    await sleep(Math.max(error.retryAfterMs ?? 0, backoff(2 + refusals)));
    await settleEndings(talk, endings, max, again, refusals + 1);
  } else if (endings.length > 1) {
    // One of them is refused, and all others with it: halved until that one is alone.
    const half = endings.length >> 1;
    await settleEndings(talk, endings.slice(0, half), 0, again);
    await settleEndings(talk, endings.slice(half), max, again);
  } else {
    refuse(talk, endings[0] as Ending, error.detail, again);
  }
}

function hear(
  talk: ClaimTalk,
  ending: Ending,
  answer: SettledClaimList['data'][number],
  again: (ending: Ending) => void,
): void {
  const { held, outcome } = ending;
  const { claim } = held;
  const why = answer.detail ?? answer.code ?? '';
  if (answer.status === 422) {
    refuse(talk, ending, why, again);
    return;
  }
  talk.held.settled(held);
  if (answer.status === 200) {
    talk.emit({ level: 'debug', event: 'settled', message: `${claim.step}: ${answer.outcome}`, claim });
    return;
  }
  const message = `${claim.step}: what it came to (${outcome.kind}) was refused: ${why}`;
  talk.emit({ level: 'warn', event: 'refused', message, claim });
}

/** What the server cannot keep fails the step, once; what it does not take even so is let go, to expire. */
function refuse(talk: ClaimTalk, ending: Ending, detail: string, again: (ending: Ending) => void): void {
  const { held, outcome } = ending;
  const { claim } = held;
  talk.emit({ level: 'error', event: 'refused', message: `${claim.step}: ${detail}`, claim });
  if (outcome.kind === 'succeeded') again({ held, outcome: invalidOutput(detail) });
  else talk.held.end(held, 'lost');
}

function writeEndings(endings: readonly Ending[], next: object | undefined): string {
  const items = endings.map(
    ({ held, outcome }) => `{"id":${JSON.stringify(held.claim.id)},${outcome.fields}}`,
  );
  return `{"outcomes":[${items.join()}]${next === undefined ? '' : `,"claim":${JSON.stringify(next)}`}}`;
}
