import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { addressOf } from '../../src/database/connection.ts';
import { type ServerProcess, startServer } from '../../test/support/server-process.ts';
import { startWireProxy, type WireProxy } from '../../test/support/wire-proxy.ts';
import type { Aim } from './kinds.ts';

/** A server with work in progress: what a flood must not harm. */
export interface Scene {
  server: ServerProcess;
  proxy: WireProxy;
  aim: Aim;
  /** Claims on steps that run while everything else happens. */
  claims: string[];
  /** Holds the row of a job until the promise is settled. */
  holdRow(until: Promise<unknown>): Promise<void>;
  /** Completes all claims; gives the statuses that are not 200. */
  complete(): Promise<number[]>;
  stop(): Promise<void>;
}

const CLAIMS = 20;
const SETTINGS = { CLAIM_TTL: '30s', ACTIONS: 'value', SHUTDOWN_GRACE: '1s', LOG_LEVEL: 'info' };

/** Starts a server on the database, behind a proxy that may slow it down, and claims steps that go on. */
export async function openScene(databaseUrl: string): Promise<Scene> {
  const proxy = await startWireProxy(databaseUrl);
  const server = await startServer({ ...SETTINGS, DATABASE_URL: proxy.url }, 60_000);
  const call = caller(server.url);
  const steps = Array.from({ length: CLAIMS }, (_, index) => ({ name: `held_${index}`, uses: 'proof.hold' }));
  const { id: jobId } = await call('/v1/jobs', { name: 'held', steps });
  const { id: lockedJobId } = await call('/v1/jobs', { name: 'locked', uses: 'proof.nobody' });
  const { id: workerId } = await call('/v1/workers', {
    name: 'holder',
    uses: ['proof.hold', 'proof.nothing'],
  });
  const asked = { worker_id: workerId, uses: ['proof.hold'], max: CLAIMS, wait: 5 };
  const { data } = await call('/v1/claims', asked);
  const claims = (data as { id: string }[]).map(({ id }) => id);
  if (claims.length < CLAIMS) throw new Error(`only ${claims.length} steps could be claimed`);
  return {
    ...{ server, proxy, claims },
    aim: { jobId, lockedJobId, workerId },
    holdRow: (until) => holdRow(databaseUrl, lockedJobId, until),
    async complete() {
      const statuses: number[] = [];
      for (const id of claims) statuses.push(await completed(server.url, id));
      return statuses.filter((status) => status !== 200);
    },
    async stop() {
      await server.kill('SIGKILL');
      proxy.close();
    },
  };
}

/** How long a job takes to be stored now, in ms; infinity when it is refused. */
export async function tryWork(url: string): Promise<number> {
  const since = performance.now();
  const body = JSON.stringify({ name: 'probe', uses: 'value', with: 1 });
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(10_000);
  const answer = await fetch(`${url}/v1/jobs?wait=5`, { method: 'POST', headers, body, signal }).catch(
    () => null,
  );
  await answer?.arrayBuffer().catch(() => {});
  return answer?.status === 200 ? performance.now() - since : Number.POSITIVE_INFINITY;
}

// biome-ignore lint/suspicious/noExplicitAny: the parts that are read are asserted by what is done with them
function caller(url: string): (path: string, body: object) => Promise<any> {
  return async (path, body) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
}

// As a worker does it: it goes on until it has an answer that counts.
async function completed(url: string, id: string): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const answer = await fetch(`${url}/v1/claims/${id}/complete`, { method: 'POST' }).catch(() => null);
    await answer?.arrayBuffer().catch(() => {});
    const status = answer?.status ?? 0;
    const again = status === 0 || status === 429 || status === 503;
    if (!again || tries >= 20) return status;
    await setTimeout(500);
  }
}

async function holdRow(url: string, jobId: string, until: Promise<unknown>): Promise<void> {
  const client = new pg.Client(addressOf(url));
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('begin');
    await client.query('select 1 from job where id = $1 for update', [jobId]);
    await until;
  } finally {
    await client.end();
  }
}
