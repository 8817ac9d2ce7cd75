/**
 * What the rules say of remote workers, their claims and idempotency keys, in memory: beside the jobs of `oracle.ts`
 * who was given what, under which request, and what each claim's worker has said and been told.
 */
import * as oracle from './oracle.ts';

export type Verb = 'complete' | 'fail' | 'release';

export interface OracleWorker {
  id: string;
  uses: string[];
  /** Null: every queue. */
  queues: string[] | null;
  command: 'run' | 'drain' | 'stop';
}

export interface OracleClaim {
  id: string;
  /** As it is written on the wire. */
  wire: string;
  job: string;
  ordinal: number;
  attempt: number;
  worker: string;
  request: string | null;
  /** What it was granted for. */
  ttl_ms: number;
  /** What the last grant or extend made of it. */
  valid_ms: number;
  /**
   * Its time is over, and nobody has given its step to others yet. `late`: so is the time of its attempt, which no
   * extend changes; `maybe`: an extend came, perhaps too late.
   */
  expired: 'no' | 'yes' | 'maybe' | 'late';
  /** How its worker ended it, and what it was answered. */
  said: { verb: Verb; outcome: string } | null;
  /** Given back because its worker was removed. */
  removed: boolean;
}

export interface OracleKey {
  body: string;
  jobs: string[];
}

export interface OracleWorld {
  jobs: Map<string, oracle.OracleJob>;
  workers: Map<string, OracleWorker>;
  claims: Map<string, OracleClaim>;
  keys: Map<string, OracleKey>;
  /** What was logged, by job, ordinal and attempt. */
  logs: Map<string, string>;
}

export const emptyWorld = (): OracleWorld => ({
  jobs: new Map(),
  workers: new Map(),
  claims: new Map(),
  keys: new Map(),
  logs: new Map(),
});

/** What became of a claim. */
export type ClaimEnd =
  | { kind: 'running' | 'unknown' }
  | { kind: 'ended'; verb: Verb; outcome: string }
  | { kind: 'lost'; reason: 'expired' | 'timed_out' | 'cancelled' | 'removed' };

export function stepOf(world: OracleWorld, claim: OracleClaim): oracle.OracleStep | undefined {
  return world.jobs.get(claim.job)?.steps[claim.ordinal];
}

export function isHeld(world: OracleWorld, claim: OracleClaim): boolean {
  const step = stepOf(world, claim);
  return step?.status === 'running' && step.claim === claim.id;
}

/** Undefined is a claim that no worker was ever given. */
export function endOf(world: OracleWorld, claim: OracleClaim | undefined): ClaimEnd {
  const step = claim && stepOf(world, claim);
  if (!claim || !step) return { kind: 'unknown' };
  if (claim.said !== null) return { kind: 'ended', ...claim.said };
  if (claim.removed) return { kind: 'lost', reason: 'removed' };
  if (isHeld(world, claim)) return { kind: 'running' };
  const isLatest = step.claim === claim.id;
  const behind = step.history.get(claim.attempt);
  if (behind === 'timed_out' || (isLatest && step.reason === 'timed_out'))
    return { kind: 'lost', reason: 'timed_out' };
  if (behind === 'lost' || (isLatest && step.reason === 'claim_lost_limit'))
    return { kind: 'lost', reason: 'expired' };
  return { kind: 'lost', reason: 'cancelled' };
}

/** The status and code with which a call about a claim that does not run is refused. */
export function refusalOf(end: ClaimEnd): { status: number; code: string; reason: string | undefined } {
  if (end.kind === 'ended') return { status: 409, code: 'claim_settled', reason: undefined };
  if (end.kind === 'lost') return { status: 409, code: 'claim_lost', reason: end.reason };
  return { status: 404, code: 'claim_not_found', reason: undefined };
}

/** What a request was given before, and still runs. */
export function givenTo(world: OracleWorld, worker: string, request: string | null): OracleClaim[] {
  if (request === null) return [];
  return [...world.claims.values()].filter(
    (claim) => claim.worker === worker && claim.request === request && isHeld(world, claim),
  );
}

/** Steps that a worker may take now, best first. */
export function takeable(
  world: OracleWorld,
  uses: readonly string[],
  queues: readonly string[] | null,
): { job: oracle.OracleJob; step: oracle.OracleStep }[] {
  const ready = [...world.jobs.values()].flatMap((job) =>
    job.steps.filter((step) => step.status === 'ready').map((step) => ({ job, step })),
  );
  return ready
    .filter(({ step }) => uses.includes(step.uses as string))
    .filter(({ step }) => queues === null || queues.includes(step.queue as string))
    .sort((a, b) => (b.job.plan.priority ?? 0) - (a.job.plan.priority ?? 0));
}

/** Returns why the rules do not allow it; null: they do, and it is done. */
export function grant(world: OracleWorld, claim: OracleClaim): string | null {
  const job = world.jobs.get(claim.job);
  const step = stepOf(world, claim);
  if (!job || step?.status !== 'ready') return `${step?.name} was granted, which is ${step?.status}`;
  if (claim.attempt !== step.attempt + 1) return `${step.name} was granted as attempt ${claim.attempt}`;
  oracle.claim(job, step, claim.id, claim.worker);
  world.claims.set(claim.id, { ...claim });
  return null;
}

/** What the worker is to be answered; `retry`: whether it is told when the step may be taken again. */
export interface Answered {
  status: number;
  code?: string | undefined;
  reason?: string | undefined;
  outcome?: string;
  retry?: boolean;
  /** It was said before. */
  repeated: boolean;
}

/** An outcome comes in. What follows from it comes with `oracle.follow`, once all of one batch are in. */
export function hear(world: OracleWorld, id: string, said: { verb: Verb; end: oracle.End }): Answered {
  const claim = world.claims.get(id);
  const end = endOf(world, claim);
  if (end.kind !== 'running' || !claim) {
    if (end.kind !== 'ended' || end.verb !== said.verb) return { ...refusalOf(end), repeated: true };
    const step = claim && stepOf(world, claim);
    const waits = step?.status === 'waiting' && step.claim === id;
    return { status: 200, outcome: end.outcome, retry: waits, repeated: true };
  }
  const job = world.jobs.get(claim.job) as oracle.OracleJob;
  const step = job.steps[claim.ordinal] as oracle.OracleStep;
  oracle.endAttempt(job, step, said.end);
  const failed = (step.status as string) === 'failed' ? 'failed' : 'retrying';
  const outcome = { complete: 'succeeded', release: 'released', fail: failed }[said.verb];
  claim.said = { verb: said.verb, outcome };
  return { status: 200, outcome, retry: (step.status as string) === 'waiting', repeated: false };
}

/** What a worker is told about a claim that it wants to keep, for so long; null: as long as it was granted for. */
export function extend(
  world: OracleWorld,
  id: string,
  { ttl_ms, surely }: { ttl_ms: number | null; surely: boolean },
): 'continue' | 'cancel' | 'lost' {
  const claim = world.claims.get(id);
  const end = endOf(world, claim);
  if (end.kind === 'lost' && end.reason === 'cancelled') return 'cancel';
  if (end.kind !== 'running' || !claim) return 'lost';
  claim.valid_ms = ttl_ms ?? claim.ttl_ms;
  if (claim.expired === 'yes') claim.expired = surely ? 'no' : 'maybe';
  return 'continue';
}

/** What follows in the jobs of these claims, once all ends of one transaction are in. */
export function followJobs(world: OracleWorld, ended: readonly { job: string }[]): void {
  for (const id of new Set(ended.map(({ job }) => job))) {
    const job = world.jobs.get(id);
    if (job && !oracle.isOver(job)) oracle.follow(job);
  }
}

/** Others are given the step of a claim that expired. Returns why the rules do not allow it. */
export function rescue(world: OracleWorld, claim: OracleClaim): string | null {
  if (!isHeld(world, claim) || claim.expired === 'no')
    return `a claim was rescued that is ${claim.expired} expired`;
  const kind = claim.expired === 'late' ? 'timed_out' : 'lost';
  oracle.endAttempt(
    world.jobs.get(claim.job) as oracle.OracleJob,
    stepOf(world, claim) as oracle.OracleStep,
    {
      kind,
    },
  );
  return null;
}

/** What a removed worker holds goes back, uncharged; of one job where it is named. Returns how many steps. */
export function giveBack(world: OracleWorld, worker: string, of: (job: string) => boolean): number {
  const held = [...world.claims.values()].filter(
    (claim) => claim.worker === worker && of(claim.job) && isHeld(world, claim),
  );
  for (const claim of held) {
    const job = world.jobs.get(claim.job) as oracle.OracleJob;
    // Its time was over before: that is what ended it.
    const end: oracle.End =
      claim.expired === 'late' ? { kind: 'timed_out' } : { kind: 'released', delay_ms: 0 };
    oracle.endAttempt(job, stepOf(world, claim) as oracle.OracleStep, end);
    claim.removed = end.kind === 'released';
  }
  followJobs(world, held);
  return held.length;
}

/** Text for the log of a claim's attempt, of which what is there already is not added again; null of `offset`: at the end. */
export function append(
  world: OracleWorld,
  claim: OracleClaim,
  offset: number | null,
  text: string,
): { next: number } | { gap: number } {
  const name = `${claim.job}/${claim.ordinal}/${claim.attempt}`;
  const log = world.logs.get(name) ?? '';
  const start = offset ?? log.length;
  if (start > log.length) return { gap: log.length };
  const fresh = text.slice(log.length - start);
  if (fresh !== '') world.logs.set(name, log + fresh);
  return { next: log.length + fresh.length };
}

/** Workers that have been silent for too long are forgotten, unless they hold a step. */
export function prune(world: OracleWorld, silent: readonly string[]): void {
  for (const id of silent) {
    const holds = [...world.claims.values()].some((claim) => claim.worker === id && isHeld(world, claim));
    if (!holds) world.workers.delete(id);
  }
}
