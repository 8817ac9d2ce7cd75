/**
 * The floor: the rows that Holdfast writes, in Holdfast's own tables with their constraints and indexes, moved by bare
 * batched SQL: no engine, no HTTP, no choice of what comes next. It is the limit that Holdfast is measured against, not
 * a system that anybody could use.
 *
 * Chosen: 100 jobs a statement, four connections. Each layer of the graph takes two statements, each a transaction of
 * its own: `ready` to `running`, then `running` to `succeeded` together with the dependents' `pending` to `ready`; both
 * write the counters of the jobs. Durable: each statement is committed with fsync.
 */
import pg from 'pg';
import { migrate } from '../../src/database/migrations.ts';
import { type Contestant, needsOf, type Open, type Shape } from '../peers/contestant.ts';
import { inParallel, portions, watch } from '../peers/tally.ts';

const JOBS_A_STATEMENT = 100;
const CONNECTIONS = 4;
const SERVER = '00000000-0000-7000-8000-000000000001';

const INSERT = `
  with jobs as (
    insert into job (id, name, status, definition_hash, timeout_ms, steps_total, steps_pending, steps_ready,
      created_at, deadline_at)
    select id, 'floor', 'queued', repeat('0', 64), 2592000000, $2::int, $2::int - $3::int, $3::int, clock_timestamp(),
      clock_timestamp() + interval '30 days'
    from unnest($1::uuid[]) as id
  )
  insert into step (job_id, ordinal, name, uses, queue, priority, needs, dependents, continue_on_error, timeout_ms,
    max_attempts, max_losses, backoff, retry_delay_ms, retry_max_delay_ms, retry_jitter, status, unmet, turn, ready_at)
  select id, s.ordinal, 's' || s.ordinal, 'value', 'default', 0, s.needs::int[], s.dependents::int[], false, 86400000,
    1, 5, 'exponential', 1000, 300000, true, case when s.unmet = 0 then 'ready' else 'pending' end, s.unmet,
    case when s.unmet = 0 then clock_timestamp() end, case when s.unmet = 0 then clock_timestamp() end
  from unnest($1::uuid[]) as id
  cross join unnest($4::int[], $5::text[], $6::text[], $7::int[]) as s (ordinal, needs, dependents, unmet)`;

// Each by the primary key: the statuses are known, and naming them would tempt the planner to a partial index.
const CLAIM = `
  with steps as (
    update step set status = 'running', version = version + 1, attempt = attempt + 1, claim_id = gen_random_uuid(),
      claimed_by = $3, claim_expires_at = clock_timestamp() + interval '30 s', claim_ttl_ms = 30000,
      started_at = clock_timestamp()
    where job_id = any($1::uuid[]) and ordinal = any($2::int[])
  )
  update job set status = 'running', version = version + 1, started_at = coalesce(started_at, clock_timestamp()),
    steps_ready = steps_ready - cardinality($2::int[]), steps_running = steps_running + cardinality($2::int[])
  where id = any($1::uuid[])`;

const SETTLE = `
  with steps as (
    update step set version = version + 1,
      status = case when ordinal = any($2::int[]) then 'succeeded' else 'ready' end,
      output = case when ordinal = any($2::int[]) then 'null'::jsonb end,
      finished_at = case when ordinal = any($2::int[]) then clock_timestamp() end,
      claim_expires_at = null, claim_ttl_ms = null, unmet = 0,
      turn = case when ordinal = any($2::int[]) then turn else clock_timestamp() end,
      ready_at = case when ordinal = any($2::int[]) then ready_at else clock_timestamp() end
    where job_id = any($1::uuid[]) and ordinal = any($2::int[] || $3::int[])
  )
  update job set version = version + 1,
    steps_running = steps_running - cardinality($2::int[]), steps_succeeded = steps_succeeded + cardinality($2::int[]),
    steps_pending = steps_pending - cardinality($3::int[]), steps_ready = steps_ready + cardinality($3::int[]),
    progress = (steps_succeeded + cardinality($2::int[]))::float8 / steps_total,
    status = case when cardinality($3::int[]) = 0 then 'succeeded' else status end,
    finished_at = case when cardinality($3::int[]) = 0 then clock_timestamp() end
  where id = any($1::uuid[])`;

export const open: Open = async ({ url, shape, jobs }) => {
  await migrate(url);
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  pool.on('error', () => {});
  const watcher = await watch(url);
  const needs = needsOf(shape);
  const layers = layersOf(shape);
  const ids = portions(jobs, JOBS_A_STATEMENT).map((portion) => portion.map(() => crypto.randomUUID()));
  const run = (name: string, text: string, values: unknown[]) => pool.query({ name, text, values });

  return {
    prepare: async () => {
      // Opened before the clock runs, as an engine's would be.
      await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.query('select pg_sleep(0.05)')));
    },
    submit: () => {
      const rows = needs.map((list, ordinal) => ({
        needs: literal(list),
        dependents: literal(needs.flatMap((others, other) => (others.includes(ordinal) ? [other] : []))),
        unmet: list.length,
      }));
      const ready = rows.filter(({ unmet }) => unmet === 0).length;
      const values = [
        rows.map((_, ordinal) => ordinal),
        ...[rows.map((row) => row.needs), rows.map((row) => row.dependents), rows.map((row) => row.unmet)],
      ];
      return inParallel(ids.length, CONNECTIONS, (index) =>
        run('insert', INSERT, [ids[index], rows.length, ready, ...values]),
      );
    },
    drain: async (started) => {
      started();
      await inParallel(ids.length, CONNECTIONS, async (index) => {
        for (const [at, layer] of layers.entries()) {
          await run('claim', CLAIM, [ids[index], layer, SERVER]);
          await run('settle', SETTLE, [ids[index], layer, layers[at + 1] ?? []]);
        }
      });
      return undefined;
    },
    verify: async () => {
      const [found] = await watcher.rows<{ steps: number; jobs: number }>(
        `select (select count(*)::int from step where status = 'succeeded' and attempt = 1) as steps,
           (select count(*)::int from job where status = 'succeeded' and steps_succeeded = steps_total) as jobs`,
      );
      const whole = found?.jobs === jobs && found.steps === jobs * needs.length;
      const wrong = whole ? [] : [`${found?.jobs} of ${jobs} jobs succeeded`];
      return { ran: found?.steps ?? 0, wrong, watched: watcher.looked(), logged: null };
    },
    close: async () => {
      await watcher.close();
      await pool.end();
    },
  } satisfies Contestant;
};

/** The steps of the graph by how far they are from its beginning. */
function layersOf(shape: Shape): number[][] {
  const depths: number[] = [];
  for (const needs of needsOf(shape))
    depths.push(Math.max(-1, ...needs.map((need) => depths[need] ?? 0)) + 1);
  const layers: number[][] = [];
  for (const [step, depth] of depths.entries()) layers[depth] = [...(layers[depth] ?? []), step];
  return layers;
}

function literal(numbers: readonly number[]): string {
  return `{${numbers.join(',')}}`;
}
