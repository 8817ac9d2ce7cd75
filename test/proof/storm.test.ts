import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEvidence } from '../../proof/storm/evidence.ts';
import { shapesOf } from '../../proof/storm/jobs.ts';
import { judge } from '../../proof/storm/judge.ts';
import { countTried } from '../../proof/storm/report.ts';
import { runStorm } from '../../proof/storm/run-storm.ts';
import { newDataDir } from '../support/embedded.ts';
import { stopEverything } from '../support/server-process.ts';

/** The short form of `npm run storm`: each kind of fault once or more. SEED=… draws others. */
const SEED = Number(process.env.SEED ?? 7);

let folder: string;

beforeAll(async () => {
  folder = newDataDir();
  const workers = ['bash', 'typescript', 'typescript'] as const;
  // Longer than in the long form: on a busy machine what is claimed may wait long for the processor.
  const times = { ms: 14_000, pauseMs: 1_500, ttlMs: 8_000, calmMs: 60_000 };
  const plan = { ...times, seed: SEED, servers: 2, workers, ownDisk: false };
  await runStorm(plan, { folder, signal: AbortSignal.timeout(150_000), say: () => {} });
}, 180_000);

afterAll(stopEverything);

describe(`a storm over servers, workers and Postgres (seed ${SEED})`, () => {
  it('loses nothing, does nothing twice, and is over within a minute of its last fault', () => {
    const broken = judge(readEvidence(folder), shapesOf('')).filter(({ found }) => found.length > 0);
    expect(broken).toEqual([]);
  });

  it('did what it is there for: steps ran, and were lost', () => {
    const tried = new Map(countTried(readEvidence(folder)));
    expect(Number(tried.get('kills (SIGKILL)'))).toBeGreaterThanOrEqual(4);
    expect(tried.get('attempts that did not settle their step')).toMatch(/\d+ lost/);
    expect(Number(tried.get('results accepted'))).toBeGreaterThan(50);
  });
});
