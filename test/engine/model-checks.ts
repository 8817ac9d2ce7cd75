/** What is compared after each operation of a model test. */
import { sql } from 'kysely';
import { expect } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { expectedState, type Rows, readRows, storedState } from './invariants.ts';
import { isHeld, type OracleWorld } from './oracle-claims.ts';
import { LONG_MS } from './random-jobs.ts';

/** Waits are as long as asked for; those after a loss are short, and made long so that no test depends on the clock. */
export async function checkDelays({ db }: Store, rows: Rows): Promise<void> {
  const waiting = [...rows.steps.values()].flat().filter((row) => row.status === 'waiting');
  const short = waiting.filter((row) => (row.wakes_in_ms as number) < LONG_MS / 2);
  for (const row of short) {
    expect(row.error).toMatchObject({ code: 'claim_lost' });
    const most = Math.min(60_000, 1000 * 2 ** (row.losses as number));
    expect(row.wakes_in_ms).toBeLessThanOrEqual(most);
    expect(row.wakes_in_ms).toBeGreaterThan(most / 2 - 2_000);
  }
  for (const row of waiting) expect(row.wakes_in_ms).toBeLessThanOrEqual(LONG_MS);
  if (short.length === 0) return;
  await sql`update step set wake_at = clock_timestamp() + interval '1 hour'
    where status = 'waiting' and wake_at < clock_timestamp() + interval '30 minutes'`.execute(db);
}

/** All that is stored, logs and remote workers with it. */
export interface Stored {
  rows: Rows;
  logs: Map<string, string>;
  workers: Map<string, { command: string }>;
}

export async function readStored({ db }: Store): Promise<Stored> {
  const rows = await readRows(db);
  const logs = await sql<{ name: string; text: string }>`
    select job_id || '/' || ordinal || '/' || attempt as name,
      string_agg(convert_from(data, 'UTF8'), '' order by start) as text
    from step_log group by job_id, ordinal, attempt`.execute(db);
  const workers = await sql<{ id: string; command: string }>`select id, command from worker`.execute(db);
  return {
    rows,
    logs: new Map(logs.rows.map(({ name, text }) => [name, text])),
    workers: new Map(workers.rows.map(({ id, command }) => [id, { command }])),
  };
}

const inOrder = <Value>(entries: Iterable<readonly [string, Value]>) =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

/** What is stored, in the words of the oracle. */
export function storedWorld({ rows, logs, workers }: Stored): unknown {
  return {
    jobs: inOrder([...rows.jobs.keys()].map((id) => [id, storedState(rows, id)])),
    attemptsOfNobody: [...rows.attempts.keys()].filter((id) => !rows.jobs.has(id)),
    logs: inOrder(logs),
    workers: inOrder([...workers].map(([id, { command }]) => [id, command])),
  };
}

/** The same of the oracle. */
export function expectedWorld({ jobs, logs, workers }: OracleWorld): unknown {
  return {
    jobs: inOrder([...jobs].map(([id, job]) => [id, expectedState(job)])),
    attemptsOfNobody: [],
    logs: inOrder([...logs].filter(([name]) => jobs.has(name.split('/')[0] as string))),
    workers: inOrder([...workers].map(([id, { command }]) => [id, command])),
  };
}

/** Claims are valid for as long as the last grant or extend said, or not any more. Returns those that are not. */
export function brokenExpiries(world: OracleWorld, { steps }: Rows): string[] {
  const broken: string[] = [];
  for (const claim of world.claims.values()) {
    if (!isHeld(world, claim)) continue;
    const row = steps.get(claim.job)?.[claim.ordinal];
    const left = Date.parse(row?.claim_expires_at as string) - Date.now();
    const expected = claim.expired === 'no' ? claim.valid_ms : 0;
    if (left > expected + 60_000 || left < expected - 300_000)
      broken.push(`${claim.id} is valid for ${left} ms, expected ${expected}`);
    if (row?.claim_request !== claim.request)
      broken.push(`${claim.id} is of the request ${row?.claim_request}`);
  }
  return broken;
}

/** Versions never go back, and no step is ahead of its job, whatever ran at the same time. Returns what is not so. */
export function brokenVersionOrder(before: Rows, after: Rows, most: number): string[] {
  const broken: string[] = [];
  for (const [id, job] of after.jobs) {
    const was = before.jobs.get(id)?.version ?? 1;
    if (job.version < was || job.version > was + most)
      broken.push(`${id} went from version ${was} to ${job.version}`);
    for (const step of after.steps.get(id) ?? []) {
      const stepWas = before.steps.get(id)?.[step.ordinal]?.version ?? 1;
      if (step.version > job.version || step.version < stepWas)
        broken.push(
          `${step.name} of ${id} went from version ${stepWas} to ${step.version} of ${job.version}`,
        );
    }
  }
  return broken;
}
