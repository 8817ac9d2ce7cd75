/** Random words of remote workers about claims that they have, had or never had: how their attempts ended. */
import { parseClaimId } from '../../src/domain/claim-id.ts';
import { atOnce, type Model, type Operation, type Part, type Round, unlike } from './model.ts';
import type { Told } from './model-servers.ts';
import type * as oracle from './oracle.ts';
import * as claims from './oracle-claims.ts';
import { type Ask, claimPart, randomAsk } from './random-claims.ts';
import { LONG_MS } from './random-jobs.ts';
import { idOf, pickClaims } from './random-picks.ts';

export interface Said {
  verb: claims.Verb;
  body: object;
  end: oracle.End;
}

export function randomSaid({ random }: Model): Said {
  const choice = random.below(10);
  if (choice < 4) {
    const output = { n: random.below(10) };
    return { verb: 'complete', body: { output }, end: { kind: 'succeeded', output } };
  }
  if (choice < 7) {
    const retryable = random.chance(0.7);
    const retry_after_ms = random.chance(0.2) ? LONG_MS : 0;
    const error = { code: 'went_wrong', message: 'it went wrong' };
    const more = retry_after_ms > 0 ? { retry_after: retry_after_ms / 1000 } : {};
    return {
      verb: 'fail',
      body: { error, retryable, ...more },
      end: { kind: 'failed', retryable, retry_after_ms },
    };
  }
  const delay_ms = random.chance(0.8) ? 0 : LONG_MS;
  const body = delay_ms > 0 ? { delay: delay_ms / 1000 } : {};
  return { verb: 'release', body, end: { kind: 'released', delay_ms } };
}

/** `POST /v1/claims/{id}/complete`, `…/fail` or `…/release`. */
export function outcome(
  model: Model,
  wire = pickClaims(model, 1)[0],
  said = randomSaid(model),
): Operation | null {
  if (wire === undefined) return null;
  return atOnce(
    `${said.verb} ${idOf(wire)} ${JSON.stringify(said.body)}`,
    (server) => server.call('POST', `/v1/claims/${wire}/${said.verb}`, said.body),
    (told, world, round) => {
      const answered = claims.hear(world, idOf(wire), said);
      follow(world, [wire]);
      const { status, json } = told;
      const { code, outcome, reason, retry_in_ms } = json;
      return checkAnswer({ status, code, outcome, reason, retry_in_ms }, answered, {
        wire,
        round,
        batch: false,
      });
    },
  );
}

function follow(world: claims.OracleWorld, wires: readonly string[]): void {
  claims.followJobs(
    world,
    wires.map((wire) => ({ job: parseClaimId(wire)?.job_id ?? '' })),
  );
}

interface ToldOutcome {
  status: number;
  code?: string;
  outcome?: string;
  reason?: string;
  retry_in_ms?: number;
}

function checkAnswer(
  told: ToldOutcome,
  expected: claims.Answered,
  { wire, round, batch }: { wire: string; round: Round; batch: boolean },
): string | null {
  // What became of an old claim is looked up afterwards, when its job may have been deleted.
  const deleted = !round.rows.jobs.has(parseClaimId(wire)?.job_id ?? '');
  if (round.concurrent && expected.repeated && deleted && told.code === 'claim_not_found') return null;
  const what = `an outcome of ${idOf(wire)}`;
  const wrong = unlike(
    what,
    [told.status, told.code, told.outcome],
    [expected.status, expected.code, expected.outcome],
  );
  if (wrong !== null) return wrong;
  // An item of a batch says it in words only; and a delay that is told again is told as it is by then.
  if (!batch && expected.reason !== told.reason) return unlike(what, told.reason, expected.reason);
  if (expected.repeated && (batch || round.concurrent)) return null;
  return unlike(`${what}, retry`, told.retry_in_ms !== undefined, expected.retry ?? false);
}

interface Settle {
  outcomes: { wire: string; said: Said }[];
  claim: Ask | null;
}

/** `POST /v1/claims/settle`: many outcomes, some of one claim twice, and most often a request for the next claims. */
export function settle(model: Model, again = 0.2): Operation | null {
  const { random, sent } = model;
  const before = (sent.settles as Settle[]).filter(
    ({ claim }) => claim === null || model.oracle.workers.has(claim.worker_id),
  );
  if (before.length > 0 && random.chance(again)) return settleOf(model, random.pick(before.slice(-4)));
  const wires = pickClaims(model, 1 + random.below(model.concurrent ? 2 : 5));
  if (wires.length === 0) return null;
  if (random.chance(0.15)) wires.push(random.pick(wires));
  const ask = random.chance(0.6) ? randomAsk(model, 0) : null;
  const batch = { outcomes: wires.map((wire) => ({ wire, said: randomSaid(model) })), claim: ask };
  sent.settles.push(batch);
  return settleOf(model, batch);
}

export function settleOf(model: Model, { outcomes, claim }: Settle): Operation {
  const items = outcomes.map(({ wire, said: { verb, body } }) => ({
    ...{ id: wire, ...body },
    ...(verb === 'release' ? { release: true } : {}),
  }));
  const told = outcomes.map(({ wire, said }) => `${said.verb} ${idOf(wire)}`).join(', ');
  return {
    what: `settle ${told}${claim === null ? '' : `, then claim ${JSON.stringify(claim)}`}`,
    transactions: 2,
    send: (server) =>
      server.call('POST', '/v1/claims/settle', { outcomes: items, ...(claim === null ? {} : { claim }) }),
    parts: (answer) => settleParts(model, { outcomes, claim }, answer),
  };
}

function settleParts(model: Model, { outcomes, claim }: Settle, told: Told): Part[] {
  // Whoever is unknown is heard in nothing.
  if (told.status !== 200) return claim === null ? [refused(told)] : [nobody(model, claim, told)];
  const jobs = new Set(outcomes.map(({ wire }) => parseClaimId(wire)?.job_id));
  const settled = [...jobs].map((id): Part => {
    const mine = outcomes.flatMap((one, at) =>
      parseClaimId(one.wire)?.job_id === id ? [{ ...one, at }] : [],
    );
    return {
      after: [],
      apply(world, round) {
        const answers = mine.map(({ wire, said }) => claims.hear(world, idOf(wire), said));
        follow(
          world,
          mine.map(({ wire }) => wire),
        );
        return mine.reduce<string | null>((wrong, { wire, at }, index) => {
          const answered = answers[index] as claims.Answered;
          return wrong ?? checkAnswer(told.json.data[at], answered, { wire, round, batch: true });
        }, null);
      },
    };
  });
  if (claim === null) return settled;
  return [...settled, claimPart(model, claim, { told, after: settled, fromQueue: false })];
}

const refused = ({ status, json }: Told): Part => ({
  after: [],
  apply: () => `a settle was answered ${status} ${json.code}`,
});

const nobody = (model: Model, ask: Ask, told: Told): Part =>
  claimPart(model, ask, { told, after: [], fromQueue: false });
