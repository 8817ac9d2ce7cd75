import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { brokenInvariants, readRows } from '../engine/invariants.ts';
import { getStep, submit, untilJob } from '../server/steps-that-count.ts';
import { type Answer, send } from '../support/api.ts';
import { newDataDir, type Owner, query, startOwner, until, urlOf } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

/** The disk of the database is full: first for what is stored, then also for the log that is written ahead. */

const place = join(newDataDir(), 'disk');
const disk = mountSmallDisk(place, 160);
const NEEDS = disk === null ? ' (left out: only who may mount can have a small disk; run it as root)' : '';
// What is written ahead must leave room for tables on so small a disk.
const SETTINGS = { fsync: 'off', full_page_writes: 'off', min_wal_size: '32MB', max_wal_size: '48MB' };

const scratch = newDataDir({ mode: 0o700 });
const [GATE, RUNS] = [join(scratch, 'gate'), join(scratch, 'runs')];
/** Nothing that takes so much room fits in where something was before, and it cannot be made smaller. */
const large = () => randomBytes(150_000).toString('base64');

let owner: Owner;
let server: ServerProcess;
let id: string;
let claim: string;
/** Ids of the jobs whose submits were answered with 202. */
const taken: string[] = [];
let completed: Promise<Answer>;
const output = large();

const post = (path: string, body: object) => send(server.port, 'POST', `/v1${path}`, { body });
const get = (path: string) => send(server.port, 'GET', path);

/** Submits; what is not taken is refused in the one way that says: later. */
async function submitLarge(): Promise<Answer> {
  const answer = await post('/jobs', { name: 'large', uses: 'value', input: large() });
  if (answer.status === 202) taken.push(answer.json.id);
  else {
    expect([answer.status, answer.json.code], answer.text).toEqual([503, 'database_unavailable']);
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  }
  return answer;
}

beforeAll(async () => {
  if (disk === null) return;
  const dataDir = join(place, 'data');
  mkdirSync(dataDir, { mode: 0o755 });
  owner = await startOwner(dataDir, { settings: SETTINGS });
  // Also on a machine that has much else to do.
  server = await startServer({ DATABASE_URL: urlOf(owner.connection) }, 60_000);
  const { json } = await post('/workers', { name: 'hand', uses: ['hand'] });
  id = await submit(server, {
    name: 'in-hand',
    steps: [
      { name: 'hand', uses: 'hand' },
      {
        name: 'script',
        uses: 'shell',
        with: {
          run: 'echo $HOLDFAST_ATTEMPT >> "$RUNS"; while [ ! -e "$GATE" ]; do sleep 0.1; done',
          env: { GATE, RUNS },
        },
      },
      { name: 'last', uses: 'value', needs: ['hand', 'script'] },
    ],
  });
  const claims = await post('/claims', { worker_id: json.id, ttl: '5m', wait: '10s' });
  claim = claims.json.data[0].id;
  await until(() => existsSync(RUNS));
  await submitLarge();
}, 120_000);

afterAll(async () => {
  disk?.makeRoom();
  await server?.kill();
  await owner?.stop();
  disk?.unmount();
  await stopEverything();
}, 60_000);

describe.runIf(disk !== null)(`a database whose disk is full${NEEDS}`, () => {
  it('takes nothing new, which is answered with 503 and says why, and is read as before', async () => {
    expect(taken).toHaveLength(1);
    disk?.fill();
    const refused = await submitLarge();
    expect(refused.status).toBe(503);
    expect(refused.json.detail).toMatch('disk');
    expect((await get(`/v1/jobs/${id}`)).json.steps).toMatchObject({ running: 2, pending: 1 });
    expect((await get(`/v1/jobs/${taken[0]}`)).status).toBe(200);
    // Not answered before there is room, or it has waited for that long enough.
    completed = post(`/claims/${claim}/complete`, { output });
    await until(() => server.logLines().some(({ msg }) => msg.startsWith('could not write outcomes')));
    expect((await getStep(server, id, 'hand')).status).toBe('running');
  }, 60_000);

  it('that cannot write ahead either ends itself, and the server does not', async () => {
    // The next segment of that log is one that there is no room for.
    const writeAhead = `select pg_logical_emit_message(false, 'x', 'x'), pg_switch_wal()`;
    let ending = '';
    await until(async () => {
      await query(owner, writeAhead).catch((error) => {
        ending = error.message;
      });
      return ending !== '';
    });
    // Whoever asks in that moment is cut off, or finds nobody there.
    expect(ending).toMatch(/terminated|EPIPE|ECONNRE|not yet accepting|recovery mode|starting up/);
    writeFileSync(GATE, '');
    await until(async () => (await submitLarge()).status === 503);
    await until(async () => (await get('/readyz')).status === 503);
  }, 60_000);

  it('goes on by itself when there is room: nothing is lost, outcomes are written, each step ran once', async () => {
    disk?.makeRoom();
    await until(async () => (await submitLarge()).status === 202, 60_000);
    expect([200, 503]).toContain((await completed).status);
    for (const job of [...taken, id])
      await untilJob(server, job, ({ status }) => status === 'succeeded', 60_000);
    expect(await getStep(server, id, 'hand')).toMatchObject({ attempt: 1, output });
    expect(await getStep(server, id, 'script')).toMatchObject({ attempt: 1, losses: 0 });
    expect(readFileSync(RUNS, 'utf8')).toBe('1\n');
    const jobs = await get('/v1/jobs?limit=500');
    expect(jobs.json.data.map((job: { id: string }) => job.id).sort()).toEqual([...taken, id].sort());
    const db = createDatabase(createPool({ connection: owner.connection, max: 1, applicationName: 'test' }));
    expect(brokenInvariants(await readRows(db))).toEqual([]);
    await db.destroy();
    expect(server.logLines().map(({ level }) => level)).not.toContain('fatal');
  }, 120_000);
});
