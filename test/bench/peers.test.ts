import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, connectCluster } from '../../bench/peers/cluster.ts';
import { measure } from '../../bench/peers/measure.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { cleanUp, newDataDir, until } from '../support/embedded.ts';

const BENCH = join(import.meta.dirname, '../../bench');

describe('a measurement', () => {
  let database: TestDatabase;
  let cluster: Cluster;
  let folder: string;
  const never = new AbortController().signal;
  const of = (contestant: string, module: string, limitMs = 20_000) =>
    measure(cluster, { contestant, module, variant: null, shape: 'fan', jobs: 4, round: 1, limitMs }, never);

  beforeAll(async () => {
    database = await testDatabase();
    folder = newDataDir();
    cluster = await connectCluster(database.url, folder);
  });

  afterAll(async () => {
    await cluster.stop();
    await database.close();
    await cleanUp();
  });

  it('of the floor counts every step once', async () => {
    const found = await of('floor', join(BENCH, 'floor/floor.ts'));
    expect(found).toMatchObject({ void: null, jobs: 4, steps: 40 });
    expect(found.submit_ms).toBeGreaterThan(0);
    expect(found.drain_ms).toBeGreaterThan(0);
    // Submit, and two statements for each of the three layers.
    expect(found.commits).toBeGreaterThanOrEqual(7);
    expect(found.wal_bytes).toBeGreaterThan(40 * 100);
  });

  it.each([
    [
      'finds something wrong',
      `verify: () => ({ ran: 0, wrong: ['nothing ran'], watched: 0, logged: null })`,
      'nothing ran',
    ],
    ['fails', `submit() { throw new Error('no room') }`, 'no room'],
    ['ends by itself', `drain: () => process.exit(3)`, 'it ended in drain'],
  ])('is void when its contestant %s', async (_, part, reason) => {
    expect((await of('planted', planted(part))).void).toContain(reason);
  });

  it('ends a contestant that hangs, with all that it started', async () => {
    const part = `drain() {
      writeFileSync(folder + '/pid', String(spawn('sleep', ['600']).pid));
      return new Promise(() => {});
    }`;
    const found = await of('planted', planted(part), 1_000);
    expect(found.void).toContain('it hung in drain');
    const pid = readFileSync(join(folder, 'bench_planted/pid'), 'utf8');
    // One that has ended may still be listed, until somebody waits for it.
    await until(() => /^Z|^$/.test(spawnSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' }).stdout));
  });
});

/** The module of a contestant that does nothing but this. */
function planted(part: string): string {
  const text = `
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    const nothing = { prepare() {}, submit() {}, drain: (started) => started(), close() {} };
    export const open = ({ folder }) => ({ ...nothing, ${part} });`;
  return `data:text/javascript,${encodeURIComponent(text)}`;
}
