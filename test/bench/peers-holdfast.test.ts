import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENTRIES } from '../../bench/peers/catalogue.ts';
import { type Cluster, connectCluster } from '../../bench/peers/cluster.ts';
import type { Shape } from '../../bench/peers/contestant.ts';
import { type Measurement, measure } from '../../bench/peers/measure.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { cleanUp, newDataDir } from '../support/embedded.ts';

const PEERS = join(import.meta.dirname, '../../bench/peers');
const NEVER = new AbortController().signal;

let database: TestDatabase;
let cluster: Cluster;

beforeAll(async () => {
  database = await testDatabase();
  cluster = await connectCluster(database.url, newDataDir());
});

afterAll(async () => {
  await cluster.stop();
  await database.close();
  await cleanUp();
});

function measureOurs(name: string, shape: Shape): Promise<Measurement> {
  const entry = ENTRIES.find((one) => one.name === name);
  if (entry === undefined) throw new Error(`there is no ${name}`);
  const module = join(PEERS, entry.module);
  const start = {
    contestant: name,
    module,
    variant: entry.variant,
    shape,
    jobs: 4,
    round: 1,
    limitMs: 30_000,
  };
  return measure(cluster, start, NEVER);
}

describe('a measurement of Holdfast among its peers', () => {
  it('counts every step once, in the server', { timeout: 60_000 }, async () => {
    const found = await measureOurs('holdfast', 'fan');
    expect(found).toMatchObject({ void: null, jobs: 4, steps: 40 });
    expect(found.drain_ms).toBeGreaterThan(0);
    expect(found.commits).toBeGreaterThanOrEqual(4);
    expect(found.wal_bytes).toBeGreaterThan(40 * 100);
  });

  it('times one chain alone, by workers over HTTP', { timeout: 60_000 }, async () => {
    const found = await measureOurs('holdfast-remote', 'alone');
    expect(found).toMatchObject({ void: null, drain_ms: null });
    expect(found.alone_ms).toBeGreaterThan(0);
  });
});
