import { createLoadClient, type LoadClient } from '../measure/load-client.ts';
import { quantile } from '../measure/quantile.ts';
import type { BenchServer } from '../server.ts';
import { wide } from '../shapes.ts';
import type { Bench } from './bench.ts';
import { seed } from './seed.ts';

const STEPS_A_JOB = 10;
const FAILED_PERCENT = 2;
const PAGE = 500;
const NOTHING = 'list, by a status that none has (paused)';

/** How long calls that read take, one after the other, where many jobs are. */
export async function measureReads(bench: Bench): Promise<void> {
  const server = await bench.warm();
  const { readJobs, giant } = bench.sizes;
  bench.say(`seeding ${readJobs.toLocaleString('en-US')} jobs of ${STEPS_A_JOB} steps`);
  await seed(server, {
    jobs: readJobs,
    stepsPerJob: STEPS_A_JOB,
    status: 'succeeded',
    failedPercent: FAILED_PERCENT,
  });
  const client = createLoadClient(server.url, 1);
  try {
    const paths = { ...(await jobPaths(server)), ...(await stepPaths(client, giant)) };
    for (const [what, path] of Object.entries(paths)) await checkFound(client, what, path);
    for (const [what, path] of Object.entries(paths)) await time(bench, client, what, path);
  } finally {
    await client.close();
  }
}

async function jobPaths({ database }: BenchServer): Promise<Record<string, string>> {
  const { rows } = await database.query<{ id: string }>('select id from job order by created_at limit 1');
  const list = (filters: string) => `/v1/jobs?limit=50${filters}`;
  return {
    'one job': `/v1/jobs/${rows[0]?.id}`,
    'list, newest 50': list(''),
    'list, by a rare status (failed)': list('&status=failed'),
    'list, by a usual status (succeeded)': list('&status=succeeded'),
    [NOTHING]: list('&status=paused'),
    'list, by name (1 in 50)': list('&name=seeded+7'),
    'list, by label (1 in 10)': list('&label=team:team-3'),
    'list, by name and label': list('&name=seeded+3&label=team:team-3'),
    'list, by status, name and label': list('&status=failed&name=seeded+1&label=team:team-1'),
  };
}

/** The first page of a large job's steps, and one from its middle. */
async function stepPaths(client: LoadClient, steps: number): Promise<Record<string, string>> {
  const body = JSON.stringify({ name: 'many steps', delay: '1d', steps: wide(steps) });
  const { id } = (await client.ask('/v1/jobs', body)) as { id: string };
  const path = `/v1/jobs/${id}/steps?limit=${PAGE}`;
  let cursor: string | null = '';
  for (let at = 0; at < steps / 2; at += PAGE) {
    const from: string = cursor === '' ? path : `${path}&cursor=${encodeURIComponent(cursor ?? '')}`;
    const page = (await client.ask(from)) as { data: unknown[]; next_cursor: string | null };
    if (page.data.length !== Math.min(PAGE, steps - at))
      throw new Error(`${page.data.length} steps on a page`);
    cursor = page.next_cursor;
  }
  const what = `${PAGE} of ${steps.toLocaleString('en-US')} steps`;
  if (cursor === null) throw new Error('the job has no page in its middle');
  return { [`${what}, first page`]: path, [`${what}, from the middle`]: `${path}&cursor=${cursor}` };
}

/** An empty page is soon read: throws unless a list has something on it, or is meant to have nothing. */
async function checkFound(client: LoadClient, what: string, path: string): Promise<void> {
  const { data } = (await client.ask(path)) as { data?: unknown[] };
  if (data !== undefined && (data.length === 0) !== (what === NOTHING))
    throw new Error(`${what}: ${data.length} on the page`);
}

async function time(bench: Bench, client: LoadClient, what: string, path: string): Promise<void> {
  const { reads } = bench.sizes;
  const note = `${reads} calls a try`;
  for (let n = 0; n < 20; n += 1) await client.timeGet(path);
  await bench.measure(
    [
      { what: `${what}, p50`, unit: 'ms', note },
      { what: `${what}, p99`, unit: 'ms', note },
    ],
    async () => {
      const times: number[] = [];
      for (let n = 0; n < reads; n += 1) times.push(await client.timeGet(path));
      return [quantile(times, 0.5), quantile(times, 0.99)];
    },
  );
}
