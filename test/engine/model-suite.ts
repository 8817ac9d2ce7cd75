/** The larger model test as a test, of a few seeds or of many. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { runModel } from './model-run.ts';
import { type ModelServer, startModelServer } from './model-servers.ts';

/**
 * Replays with SEED=… OPERATIONS=… SERVERS=…, several seeds with commas. What ran in turn falls the same again; what
 * ran at the same time need not, so a failure of that may take a few tries. SHARE says how much runs at the same time.
 */
export function describeModel(file: string, usual: { seeds: readonly number[]; operations: number }): void {
  const seeds = process.env.SEED?.split(',').map(Number) ?? usual.seeds;
  const count = Number(process.env.OPERATIONS ?? usual.operations);
  const share = Number(process.env.SHARE ?? 0.35);
  const serversOf = (seed: number) => Number(process.env.SERVERS ?? 1 + (seed % 3));
  let database: TestDatabase;
  const servers: ModelServer[] = [];

  beforeAll(async () => {
    database = await testDatabase();
    for (const name of ['one', 'two', 'three']) servers.push(await startModelServer(database.url, name));
  });

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await database.close();
  });

  describe('servers on one database', () => {
    for (const seed of seeds) {
      const some = serversOf(seed);
      it(`answer and store what the oracle says, in turn and at once (seed ${seed}, servers: ${some})`, async () => {
        const tally = await runModel(servers.slice(0, some), { seed, count, file, share });
        expect(tally.operations).toBe(count);
        if (process.env.SEED) console.log(JSON.stringify(tally));
      }, 600_000);
    }
  });
}
