/** What happens by itself, and by the passing of time, at a random server of the larger model test. */
import { sql } from 'kysely';
import { pruneWorkers } from '../../src/operations/prune-workers.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import type { Rows } from './invariants.ts';
import { atOnce, type Model, type Operation, unlike } from './model.ts';
import * as claims from './oracle-claims.ts';
import type { World } from './random-operations.ts';

const NOTHING_SAID = { status: 200, headers: {} };

/** The world as the operations of the smaller model test know it. */
export function smallerWorld({ oracle, random, before }: Model, { store }: Model['servers'][number]): World {
  return { store, random, jobs: oracle.jobs, workers: [], claims: [], before };
}

const held = ({ oracle }: Model) =>
  [...oracle.claims.values()].filter((claim) => claims.isHeld(oracle, claim));

/** Claims run out, some with the time of their attempt; nobody has noticed yet, and until then they are valid. */
export function letExpire(model: Model): Operation | null {
  const chosen = model.random
    .some(held(model), 0.3)
    .map(({ id }) => ({ id, late: model.random.chance(0.3) }));
  return atOnce(
    `let ${chosen.map(({ id, late }) => `${id}${late ? ' (late)' : ''}`).join(', ') || 'nothing'} expire`,
    async () => ({ ...NOTHING_SAID, json: {} }),
    (_, world) => {
      for (const { id, late } of chosen) {
        const claim = world.claims.get(id) as claims.OracleClaim;
        claim.expired = late || claim.expired === 'late' ? 'late' : 'yes';
      }
      return null;
    },
    {
      async prepare({ db }) {
        for (const { id, late } of chosen) {
          await sql`update step set claim_expires_at = clock_timestamp() - interval '1 s',
            started_at = started_at - case when ${late} then timeout_ms else 0 end * interval '1 millisecond'
            where claim_id = ${id}`.execute(db);
        }
      },
    },
  );
}

/** Expired claims are found, and their steps given to others: all of them, or those of jobs that nobody holds. */
export function rescue(_model: Model): Operation {
  return atOnce(
    'rescue',
    async ({ store }) => ({ ...NOTHING_SAID, json: await rescueExpired(store) }),
    ({ json }, world, { concurrent, rows }) => {
      const expired = [...world.claims.values()].filter(
        (claim) => claims.isHeld(world, claim) && claim.expired !== 'no',
      );
      const found = concurrent ? expired.filter((claim) => wasLost(rows, claim)) : expired;
      for (const claim of found) {
        const wrong = claims.rescue(world, claim);
        if (wrong !== null) return wrong;
      }
      claims.followJobs(world, found);
      return concurrent ? null : unlike('rescued', json.rescued, found.length);
    },
  );
}

// In a job that is gone it may have been: only so it could end and be deleted.
function wasLost(rows: Rows, { job, ordinal, id }: claims.OracleClaim): boolean {
  const step = rows.steps.get(job)?.[ordinal];
  if (!step) return true;
  const isLost = (outcome: unknown) => outcome === 'lost' || outcome === 'timed_out';
  const behind = rows.attempts.get(job)?.find((row) => row.claim_id === id);
  if (behind) return isLost(behind.outcome);
  return step.claim_id === id && (step.reason === 'claim_lost_limit' || step.reason === 'timed_out');
}

/** Some workers were last heard of long ago. */
export function prune(model: Model): Operation {
  const { random, oracle } = model;
  const silent = random.some([...oracle.workers.values()], 0.3);
  const ago = ({ command }: claims.OracleWorker) => (command === 'stop' ? 2 : 25);
  return atOnce(
    `prune ${silent.map(({ id, command }) => `${id} (${command})`).join(', ')}`,
    async ({ store }) => ({ ...NOTHING_SAID, json: await pruneWorkers(store) }),
    ({ json }, world) => {
      const before = world.workers.size;
      claims.prune(
        world,
        silent.map(({ id }) => id),
      );
      return unlike('pruned', json, before - world.workers.size);
    },
    {
      async prepare({ db }) {
        await sql`update worker set last_seen_at = clock_timestamp()`.execute(db);
        for (const worker of silent)
          await sql`update worker set last_seen_at = clock_timestamp() - ${ago(worker)} * interval '1 hour'
            where id = ${worker.id}`.execute(db);
      },
    },
  );
}

/** After operations that ran at the same time: what is held is held for an hour again, but for what is late. */
export async function settleExpiry(model: Model): Promise<void> {
  const keep = held(model).filter(({ expired }) => expired !== 'late');
  for (const claim of keep) Object.assign(claim, { expired: 'no', valid_ms: 3_600_000 });
  const ids = keep.map(({ id }) => id);
  await sql`update step set claim_expires_at = clock_timestamp() + interval '1 hour'
    where status = 'running' and claim_id = any(${sql.val(ids)}::uuid[])`.execute(
    model.servers[0]?.store.db as never,
  );
}
