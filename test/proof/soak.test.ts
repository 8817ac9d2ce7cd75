import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plot } from '../../proof/soak/plot.ts';
import { QUANTITIES, type Sample } from '../../proof/soak/quantities.ts';
import { runSoak, type SoakRun } from '../../proof/soak/run-soak.ts';
import { type Limit, type Point, trendOf } from '../../proof/soak/trend.ts';
import { compareJobs, judgeSoak, judgeTrends, type Verdict } from '../../proof/soak/verdict.ts';
import { killWorkers } from '../../proof/soak/workers.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir } from '../support/embedded.ts';
import { stopEverything } from '../support/server-process.ts';
import { closeAll } from '../support/services.ts';

/** The short form of `proof/soak.ts`: seconds of the same load, and what its judge says of figures made for it. */

const LIMIT: Limit = { ratio: 0.1, least: 10, quantile: 0.25 };
const MINUTES = 45;

/** A figure every five seconds for 45 minutes. `noise` repeats itself, so that each run judges the same. */
function planted(value: (minute: number, noise: number) => number): Point[] {
  let state = 7;
  return Array.from({ length: MINUTES * 12 }, (_, index) => {
    state = (state * 48_271) % 2_147_483_647;
    return { at: index / 12, value: value(index / 12, state / 2_147_483_647 - 0.5) };
  });
}

const grows = (points: readonly Point[], limit = LIMIT) => trendOf(points, limit)?.grows;

describe('the judge of slopes', () => {
  it('sees a leak, also a slow one under noise and under the teeth of a saw', () => {
    expect(grows(planted((minute) => 200 + minute))).toBe(true);
    expect(grows(planted((minute, noise) => 200 + minute + 60 * noise))).toBe(true);
    const saw = planted((minute, noise) => 200 + minute + 100 * (minute % 1) + 20 * noise);
    expect(grows(saw)).toBe(true);
    const { growth, surely } = trendOf(saw, LIMIT) ?? { growth: 0, surely: 0 };
    expect(growth).toBeGreaterThan(35);
    expect(growth).toBeLessThan(55);
    expect(surely).toBeGreaterThan(20);
    // In steps, as files grow.
    expect(grows(planted((minute) => 200 + 10 * Math.floor(minute / 5)))).toBe(true);
  });

  it('takes for no leak what stays, whatever noise, teeth, outliers and falls it has', () => {
    expect(grows(planted(() => 200))).toBe(false);
    expect(grows(planted(() => 0))).toBe(false);
    expect(grows(planted((_, noise) => 200 + 150 * noise))).toBe(false);
    for (const period of [0.7, 1, 3, 7, 11])
      expect(grows(planted((minute) => 200 + 20 * (minute % period)))).toBe(false);
    expect(grows(planted((minute) => (minute > 40 && minute < 41 ? 5_000 : 200)))).toBe(false);
    expect(grows(planted((minute) => 200 - minute))).toBe(false);
  });

  it('takes one step for no slope, and no growth that is little of much or little in itself', () => {
    expect(grows(planted((minute) => (minute < 20 ? 200 : 260)))).toBe(false);
    expect(grows(planted((minute) => 2_000 + minute))).toBe(false);
    expect(grows(planted((minute) => 5 + minute / 10))).toBe(false);
  });

  it('leaves the warm-up out, and says so when the time after it is too short', () => {
    const samples = (value: (minute: number) => number, minutes = 60): Sample[] =>
      Array.from({ length: minutes * 12 }, (_, index) => ({
        minute: index / 12,
        figures: { 'server 1 rss': value(index / 12) * 1_000_000, 'index job_by_age bytes': 8_192 },
      }));
    const judge = (list: readonly Sample[], warmUp: number) => {
      const verdict: Verdict = { wrong: [], figures: [] };
      judgeTrends(verdict, list, warmUp);
      return verdict;
    };
    expect(
      judge(
        samples((minute) => (minute < 15 ? minute * 20 : 300)),
        15,
      ).wrong,
    ).toEqual([]);
    expect(
      judge(
        samples((minute) => 200 + minute * 2),
        15,
      ).wrong,
    ).toEqual([expect.stringMatching(/^resident memory: server 1 grows by 89.8 MB in 45 minutes/)]);
    const slower = (load: number) =>
      samples(() => 300).map(({ minute, figures }) => ({
        minute,
        figures: { ...figures, 'submit p99': 20 + minute * 5, 'machine load': 1 + minute * load },
      }));
    expect(judge(slower(0), 15).wrong).toEqual([
      expect.stringMatching(/^submit to 202: p99 grows by 2\d\d ms/),
    ]);
    // Whoever else is at work there.
    expect(judge(slower(0.1), 15).wrong).toEqual([]);
    const short = judge(
      samples((minute) => 200 + minute * 100, 4),
      1,
    );
    expect(short).toMatchObject({ wrong: [], figures: [['slopes', expect.stringMatching(/^not judged/)]] });
  });
});

describe('the judge of jobs', () => {
  const compare = (jobs: Record<string, [endedAt: number | null, removed: boolean]>, stored: string[]) =>
    compareJobs(
      new Map(Object.entries(jobs).map(([id, [endedAt, removed]]) => [id, { endedAt, removed }])),
      new Map(stored.map((id) => [id, undefined])),
      900,
    );

  it('finds what is lost, kept too long, unknown or without an end, and nothing where all is well', () => {
    expect(compare({ young: [990, false], old: [800, false], gone: [990, true] }, ['young'])).toEqual({
      ...{ lost: [], kept: [], unknown: [], unended: [] },
    });
    expect(
      compare({ lost: [990, false], old: [800, false], gone: [990, true], open: [null, false] }, [
        'old',
        'gone',
        'open',
        'stray',
      ]),
    ).toEqual({ lost: ['lost'], kept: ['old', 'gone'], unknown: ['stray'], unended: ['open'] });
  });
});

describe('two servers and two workers under steady load', () => {
  let database: TestDatabase;
  let folder: string;
  let run: SoakRun;
  let verdict: Verdict;

  beforeAll(async () => {
    database = await testDatabase();
    folder = newDataDir();
    // Nothing is deleted while clients, on a busy machine, may still be looking.
    const shape = { minutes: 0.08, rate: 6, servers: 2, workers: 2 };
    const plan = { ...shape, keepMs: 60_000, lastKeepMs: 1_000, everyMs: 500, windowMs: 60_000 };
    const signal = AbortSignal.timeout(110_000);
    run = await runSoak(plan, { databaseUrl: database.url, folder, signal, say: () => {} });
    verdict = await judgeSoak(database.db, run);
  }, 120_000);

  afterAll(async () => {
    await killWorkers();
    await closeAll();
    await stopEverything();
    await database.close();
  });

  it('lose no job, keep none beyond its time, and leave nothing open', () => {
    expect(verdict.wrong).toEqual([]);
    expect(run.account.jobs.size).toBeGreaterThanOrEqual(20);
    expect(run.cleanedUp).toBeGreaterThan(0);
    expect(Object.keys(run.account.done).sort()).toEqual(
      ['jobs cancelled', 'jobs deleted by hand', 'jobs retried by hand', 'submits sent twice'].sort(),
    );
  });

  it('are written down look by look, every quantity of them', () => {
    const lines = readFileSync(join(folder, 'samples.jsonl'), 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(run.samples.length + 1);
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual(run.samples.at(-1));
    const recorded = new Set(run.samples.flatMap(({ figures }) => Object.keys(figures)));
    const missing = QUANTITIES.filter(({ names }) => ![...recorded].some((name) => names.test(name)));
    expect(missing).toEqual([]);
    for (const name of ['server 1 rss', 'server 1 heap', 'server 2 descriptors', 'worker 1 rss', 'start p50'])
      expect(run.samples.at(-1)?.figures[name]).toBeGreaterThan(name.startsWith('start') ? -1 : 10);
  });

  it('are drawn in one small file, a panel for each quantity', () => {
    // As many points as an hour has.
    const many = Array.from({ length: 720 }, (_, index): Sample => {
      const { figures } = run.samples[index % run.samples.length] as Sample;
      return { minute: index / 12, figures };
    });
    const svg = plot(many, { title: 'a < b', warmUp: 15 });
    expect(svg).toContain('<title>a &lt; b</title>');
    for (const { title } of QUANTITIES) expect(svg).toContain(title);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.length).toBeLessThan(60_000);
  });
});
