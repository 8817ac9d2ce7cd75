import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENTRIES } from '../../bench/peers/catalogue.ts';
import { type Cluster, connectCluster } from '../../bench/peers/cluster.ts';
import { measure } from '../../bench/peers/measure.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { cleanUp, newDataDir } from '../support/embedded.ts';

const BENCH = new URL('../../bench/peers/', import.meta.url);

describe('a measurement', () => {
  let database: TestDatabase;
  let cluster: Cluster;
  const never = new AbortController().signal;
  const of = (contestant: string, module: string, variant: string | null = null) =>
    measure(cluster, { contestant, module, variant, shape: 'fan', jobs: 4, round: 1 }, never);

  beforeAll(async () => {
    database = await testDatabase();
    cluster = await connectCluster(database.url, newDataDir());
  });

  afterAll(async () => {
    await cluster.stop();
    await database.close();
    await cleanUp();
  });

  const ours = ENTRIES.filter(({ pkg }) => pkg === null);

  it.each(ours)('of $name counts every step once', { timeout: 60_000 }, async (entry) => {
    const found = await of(entry.name, new URL(entry.module, BENCH).pathname, entry.variant);
    expect(found).toMatchObject({ void: null, jobs: 4, steps: 40 });
    expect(found.submit_ms).toBeGreaterThan(0);
    expect(found.drain_ms).toBeGreaterThan(0);
    // Submit, and at least two statements for each of the three layers.
    expect(found.commits).toBeGreaterThanOrEqual(7);
    expect(found.wal_bytes).toBeGreaterThan(40 * 100);
  });

  it.each([
    [
      'finds something wrong',
      `verify: () => ({ ran: 0, wrong: ['nothing ran'], watched: 0, logged: null })`,
      'nothing ran',
    ],
    ['fails', `submit: () => { throw new Error('no room') }`, 'no room'],
    ['ends by itself', `drain: () => process.exit(3)`, 'it ended in drain'],
  ])('is void when its contestant %s', async (_, part, reason) => {
    const whole = `prepare() {}, submit() {}, drain: (started) => started(), close() {}, ${part}`;
    const found = await of(
      'planted',
      `data:text/javascript,${encodeURIComponent(`export const open = () => ({${whole}})`)}`,
    );
    expect(found.void).toContain(reason);
  });
});
