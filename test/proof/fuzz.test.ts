import { afterAll, beforeAll, expect, test } from 'vitest';
import { runFuzz } from '../../proof/fuzz/run-fuzz.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

// `SEED=… npx vitest run --project long test/proof/fuzz.test.ts` sends other requests; the long form is proof/fuzz.ts.
const seed = Number(process.env.SEED ?? 20_261_121);
const REQUESTS = 5_000;
const DEADLINE_MS = 240_000;

let database: TestDatabase;
let server: ServerProcess;
beforeAll(async () => {
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url });
});
afterAll(async () => {
  await stopEverything();
  await database.close();
});

test(
  'answers 5,000 requests, right, nearly right and broken, as its document says, and stays small',
  async () => {
    const { wrong, tally } = await runFuzz({
      ...{ server, databaseUrl: database.url, seed, requests: REQUESTS, lanes: 24 },
      ...{ mostMemory: 768, mostMs: DEADLINE_MS, long: false },
      ...{ signal: new AbortController().signal, say: () => {} },
    });
    expect(wrong.join('\n')).toBe('');
    expect(tally.requests()).toBeGreaterThan(REQUESTS * 0.97);
    for (const level of ['valid', 'nearly', 'wire']) expect(tally.byLevel[level]).toBeGreaterThan(500);
  },
  DEADLINE_MS + 30_000,
);
