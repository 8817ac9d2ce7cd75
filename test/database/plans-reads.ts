import { type Kysely, sql } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import { encodeJobCursor, encodeStepCursor } from '../../src/http/pagination.ts';
import { GIANT_STEPS } from '../support/seed-history.ts';
import type { WholeServer } from './plans-server.ts';

const OLD = '2000-01-01T00:00:00Z';

/** Filters of the list of jobs, and their combinations: of what many jobs have, few, one and none. */
const LISTS: readonly string[] = [
  '',
  ...['status=succeeded', 'status=queued', 'status=paused', 'status=failed&status=cancelled'],
  ...[
    'status=paused&status=scheduled',
    'status=scheduled&status=queued&status=running&status=paused&status=failed',
  ],
  ...['name=sync', 'name=rare', 'name=nobody-has-it', 'name=sync&status=failed', 'name=rare&status=failed'],
  // No job of this name ever failed.
  ...[
    'name=report-1&status=failed',
    'name=report-1&status=failed&status=cancelled',
    'name=sync&status=paused',
  ],
  ...[
    'label=team:team-1',
    'label=region:region-7',
    'label=run:500',
    'label=a:b',
    'label=team:team-1&label=region:region-7',
  ],
  ...['label=team:team-1&status=failed', 'label=region:region-7&status=failed&status=cancelled'],
  ...['label=team:team-1&status=paused', 'label=team:team-1&name=sync', 'label=team:team-0&name=rare'],
  ...[
    `created_after=${OLD}`,
    `created_before=${OLD}`,
    `created_after=${OLD}&status=failed&label=team:team-1`,
  ],
  `status=failed&status=succeeded&name=sync&label=team:team-1&label=region:region-8&created_after=${OLD}`,
];

/** Asks for every kind of list, the first page and a deep one. */
export async function playLists(
  { ask }: WholeServer,
  db: Kysely<Tables>,
  during: (what: string) => void,
): Promise<void> {
  const { rows } = await sql<{ created_us: number; id: string }>`
    select (extract(epoch from created_at) * 1000000)::bigint as created_us, id from job
    order by created_at, id offset 500 limit 1`.execute(db);
  const deep = `cursor=${encodeJobCursor(rows[0] as { created_us: number; id: string })}`;
  for (const filters of LISTS) {
    during(`list ${filters}`);
    await ask('GET', `/v1/jobs?${filters}`);
    await ask('GET', `/v1/jobs?${filters}&${deep}`);
  }
  during('list include=total');
  await ask('GET', '/v1/jobs?include=total&status=failed');
}

/** Asks for everything else that can be read. */
export async function playReads(
  { ask }: WholeServer,
  db: Kysely<Tables>,
  during: (what: string) => void,
): Promise<void> {
  const { rows } = await sql<{ giant: string; over: string }>`
    select (select id from job where name = 'giant') as giant,
      (select job_id from step_log order by job_id limit 1) as over`.execute(db);
  const { giant, over } = rows[0] as { giant: string; over: string };
  const deep = `cursor=${encodeStepCursor(GIANT_STEPS - 600)}&limit=500`;
  const asked = [
    ...[`/v1/jobs/${over}`, `/v1/jobs/${over}?include=steps`, `/v1/jobs/${giant}?include=steps`],
    ...[
      `/v1/jobs/${giant}/steps`,
      `/v1/jobs/${giant}/steps?${deep}`,
      `/v1/jobs/${giant}/steps?status=running`,
    ],
    ...[`/v1/jobs/${giant}/steps/s9000`, `/v1/jobs/${over}/steps/s1`, `/v1/jobs/${giant}/definition`],
    ...[`/v1/jobs/${over}/steps/s0/log`, `/v1/jobs/${over}/log`, '/health', '/readyz', '/metrics'],
    ...['/v1/workers', '/v1/workers?status=live'],
  ];
  for (const path of asked) {
    during(`GET ${path.replace(giant, 'giant').replace(over, 'over')}`);
    await ask('GET', path);
  }
  during('validate');
  await ask('POST', '/v1/jobs/validate', { name: 'asked', steps: [{ name: 'a', uses: 'value', with: 1 }] });
}
