import { brokenInvariants, type JobRow, type StepRow } from '../../test/engine/invariants.ts';
import { claimOf, type Evidence, keyOf, stepOfClaim } from './evidence.ts';
import { type Shape, shapeIndexOf } from './jobs.ts';
import type { Accepted, Answered, Begun, LedgerLine, Seen, Steered, Submitted } from './ledger.ts';

/** What must be 0, with what was found: the first few of each, so that one can look. */
export interface Finding {
  what: string;
  found: string[];
}

/** By the actions of these, whoever ran a step is known from a ledger. */
const ENTERED = new Set(['echo', 'nap', 'unlucky', 'odd', 'fail', 'shell']);
const TERMINAL: readonly unknown[] = ['succeeded', 'failed', 'skipped', 'cancelled'];

/** What the checks below look things up in. */
interface Case {
  evidence: Evidence;
  shapes: readonly Shape[];
  jobs: readonly JobRow[];
  steps: readonly StepRow[];
  /** By step: its row. */
  step: ReadonlyMap<string, StepRow>;
  /** By claim: the number of the attempt that it was granted for. */
  attemptOf: ReadonlyMap<string, number>;
  of<Kind extends LedgerLine['kind']>(kind: Kind): Extract<LedgerLine, { kind: Kind }>[];
}

/** Compares what clients and workers wrote down with what the database holds. Each finding is empty when all is well. */
export function judge(evidence: Evidence, shapes: readonly Shape[]): Finding[] {
  const steps = [...evidence.rows.steps.values()].flat();
  const attempts = [...evidence.rows.attempts.values()].flat();
  const claimed = [...steps, ...attempts].flatMap((row) => {
    const claim = claimOf(row as StepRow);
    return claim === null ? [] : [[claim, row.attempt as number] as const];
  });
  const { lines } = evidence;
  const one: Case = {
    ...{ evidence, shapes, steps },
    jobs: [...evidence.rows.jobs.values()],
    step: new Map(steps.map((step) => [keyOf(step), step])),
    attemptOf: new Map(claimed),
    of: (kind) => lines.filter((line) => line.kind === kind) as never,
  };
  const open = steps.filter(({ status }) => !TERMINAL.includes(status)).map(keyOf);
  return Object.entries({
    'lost: jobs, steps or results that were accepted and are not there': lost(one),
    'unexpected: what nobody sent, or what ended as it must not': unexpected(one),
    'double-committed: steps with two accepted results': doubleCommitted(one),
    'stale writes accepted: results of a claim that was not the step’s own any more': staleAccepted(one),
    'jobs that were not over 30 s after the last fault': [
      ...Array.from({ length: evidence.openJobs }, () => 'one'),
      ...open,
    ],
    'steps started before their needs were terminal': startedEarly(one),
    'succeeded steps executed again': executedAgain(one),
    'attempts numbered with gaps': attemptGaps(one),
    'counters unlike a recount': brokenInvariants(evidence.rows),
    'idempotency keys with more than one job each': doubledKeys(one),
    'promises seen broken while it ran': [...evidence.wrong],
  }).map(([what, found]) => ({ what, found }));
}

function lost({ evidence, shapes, of, step, jobs }: Case): string[] {
  const given = deletions(of('steered'));
  const found = of('accepted')
    .flatMap(({ ids }) => ids)
    .filter((id) => !evidence.rows.jobs.has(id) && !given.has(id));
  const short = jobs.filter(
    ({ id, name }) =>
      evidence.rows.steps.get(String(id))?.length !== shapes[shapeIndexOf(String(name))]?.steps.length,
  );
  const results = accepted(of('answered'))
    .filter(({ claim }) => !given.has(stepOfClaim(claim).split('/')[0] as string))
    .filter(({ claim }) => step.get(stepOfClaim(claim))?.status !== 'succeeded');
  return [...new Set(found), ...short.map(({ id }) => String(id)), ...results.map(({ claim }) => claim)];
}

function unexpected(one: Case): string[] {
  const { of, jobs, attemptOf, steps } = one;
  const names = new Set(of('submitted').flatMap((line: Submitted) => line.names));
  const gone = deletions(of('steered'));
  const unsent = jobs.filter(({ name }) => !names.has(String(name))).map(({ name }) => `job ${name}`);
  const ran = of('begun').filter(({ claim }) => !gone.has(jobOfClaim(claim)));
  const ungranted = ran.filter(({ claim }) => !attemptOf.has(claim)).map(({ claim }) => `run of ${claim}`);
  const begun = new Set(ran.map(({ claim }) => claim));
  const entered = steps.filter(({ status, uses }) => status === 'succeeded' && ENTERED.has(String(uses)));
  // Those of the examples and the shells enter the beginning only.
  const ended = new Set(of('ended').map(({ claim }) => claim));
  const whole = new Set(of('ended').map(({ worker }) => worker));
  const unended = accepted(of('answered')).filter(
    ({ claim, worker }) => whole.has(worker) && !ended.has(claim),
  );
  const unrun = entered
    .filter((step) => !begun.has(claimOf(step) ?? ''))
    .map((step) => `end of ${keyOf(step)}`);
  return [
    ...[...unsent, ...ungranted, ...unrun, ...unended.map(({ claim }) => `result of ${claim}`)],
    ...[...wrongOutputs(one, entered), ...wrongEnds(one)],
  ];
}

/** Each stored output says by which claim it came about, and from which outputs of other steps. */
function wrongOutputs({ step }: Case, entered: readonly StepRow[]): string[] {
  const final = new Set([...step.values()].map(claimOf));
  return entered
    .filter((row) => {
      const output = row.output as { claim?: string; json?: { claim: string }; above?: string[] } | null;
      const claim = output?.claim ?? output?.json?.claim;
      return claim !== claimOf(row) || output?.above?.some((above) => !final.has(above));
    })
    .map((row) => `output of ${keyOf(row)}`);
}

/** How jobs and steps must have ended, by their shape and by what clients were told. */
function wrongEnds({ jobs, shapes, evidence, of }: Case): string[] {
  const told = new Map(
    of('steered')
      .filter((line: Steered) => line.verb === 'cancel' && line.status === 200)
      .map(({ job, said }) => [job, said]),
  );
  const lastSeen = new Map(of('seen').map((line: Seen) => [line.job, line.status]));
  return jobs.flatMap(({ id, name, status }) => {
    const shape = shapes[shapeIndexOf(String(name))] as Shape;
    const expected = told.get(String(id)) ?? lastSeen.get(String(id)) ?? status;
    if (!shape.ends.includes(status as never) || status !== expected) return [`${name} ended ${status}`];
    if (status === 'cancelled') return [];
    const wrong = (evidence.rows.steps.get(String(id)) ?? []).filter(
      (row) => row.status !== (shape.statuses?.[row.name] ?? 'succeeded'),
    );
    return wrong.map((row) => `${name}: ${row.name} ended ${row.status}`);
  });
}

function doubleCommitted({ of }: Case): string[] {
  const claims = new Set(accepted(of('answered')).map(({ claim }) => claim));
  return [...Map.groupBy(claims, stepOfClaim)].filter(([, own]) => own.length > 1).map(([step]) => step);
}

function staleAccepted({ of, step }: Case): string[] {
  const answers = of('answered');
  const foreign = accepted(answers).filter(({ claim }) => {
    const row = step.get(stepOfClaim(claim));
    return row !== undefined && claimOf(row) !== claim;
  });
  const good = new Set(accepted(answers).map(({ claim }) => claim));
  const both = answers.filter(({ claim, code }) => code === 'claim_lost' && good.has(claim));
  return [...foreign, ...both].map(({ claim }) => claim);
}

function startedEarly({ of, step, evidence }: Case): string[] {
  return of('begun')
    .filter(({ claim, at }: Begun) => {
      const row = step.get(stepOfClaim(claim));
      const needs = row?.needs.map((need) => evidence.rows.steps.get(row.job_id)?.[need]);
      // The database counts microseconds, the ledger milliseconds without what is behind them.
      return needs?.some((need) => Date.parse(String(need?.finished_at)) > at + 1);
    })
    .map(({ claim }) => claim);
}

function executedAgain({ of, step, attemptOf, evidence }: Case): string[] {
  const lines = of('begun');
  const repeated = [...Map.groupBy(lines, ({ claim }) => claim)].filter(([, own]) => own.length > 1);
  const later = lines.filter(({ claim }) => {
    const row = step.get(stepOfClaim(claim));
    return row?.status === 'succeeded' && (attemptOf.get(claim) ?? 0) > row.attempt;
  });
  const reopened = [...evidence.rows.attempts.values()]
    .flat()
    .filter(({ outcome }) => outcome === 'succeeded');
  const good = new Map(accepted(of('answered')).map(({ claim, at }) => [stepOfClaim(claim), at]));
  const afterwards = lines.filter(({ claim, at }) => {
    const row = step.get(stepOfClaim(claim));
    const isOwn = row !== undefined && claimOf(row) === claim;
    return isOwn && at > (good.get(stepOfClaim(claim)) ?? Number.POSITIVE_INFINITY);
  });
  return [
    ...repeated.map(([claim]) => `twice under ${claim}`),
    ...[...later, ...afterwards].map(({ claim }) => claim),
    ...reopened.map((row) => `${keyOf(row)} after attempt ${row.attempt}`),
  ];
}

function attemptGaps({ steps, evidence }: Case): string[] {
  const behind = Map.groupBy([...evidence.rows.attempts.values()].flat(), keyOf);
  return steps
    .filter((step) => {
      // The latest may have settled its step, or go on: then it is on the step's own row.
      const numbers = new Set((behind.get(keyOf(step)) ?? []).map(({ attempt }) => attempt as number));
      return Array.from({ length: step.attempt - 1 }, (_, i) => i + 1).some((number) => !numbers.has(number));
    })
    .map(keyOf);
}

function doubledKeys({ of, jobs }: Case): string[] {
  const told = [...Map.groupBy(of('accepted'), ({ key }) => key)]
    .filter(([, answers]) => new Set(answers.map(({ ids }: Accepted) => ids.join())).size > 1)
    .map(([key]) => key);
  const names = [...Map.groupBy(jobs, ({ name }) => name)].filter(([, own]) => own.length > 1);
  return [...told, ...names.map(([name]) => String(name))];
}

const accepted = (answers: readonly Answered[]) =>
  answers.filter(({ status, outcome }) => status === 200 && outcome === 'succeeded');

const jobOfClaim = (claim: string) => stepOfClaim(claim).split('/')[0] as string;

/** Jobs that a client asked to delete: with or without an answer they may be gone. */
function deletions(steered: readonly Steered[]): Set<string> {
  return new Set(steered.filter(({ verb }) => verb === 'delete').map(({ job }) => job));
}
