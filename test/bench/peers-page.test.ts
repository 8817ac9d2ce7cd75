import { describe, expect, it } from 'vitest';
import { ENTRIES } from '../../bench/peers/catalogue.ts';
import { needsOf } from '../../bench/peers/contestant.ts';
import type { Measurement } from '../../bench/peers/measure.ts';
import { createTally } from '../../bench/peers/tally.ts';
import { page } from '../../bench/report/page.ts';
import { drainRate, figure, type Results, ratioOf } from '../../bench/report/results.ts';

function measurement(
  contestant: string,
  round: number,
  stepsASecond: number,
  rest: Partial<Measurement> = {},
): Measurement {
  return {
    ...{ contestant, shape: 'fan', round, jobs: 10, steps: 100, submit_ms: 50 },
    drain_ms: (100 * 1000) / stepsASecond,
    ...{ commits: 20, wal_bytes: 102_400, database_cpu_ms: 30, own_cpu_ms: 10, alone_ms: null, void: null },
    ...rest,
  };
}

const RESULTS: Results = {
  ...{ date: '2026-11-20', quick: false, versions: { PostgreSQL: '18.4' } },
  machine: { cores: 2, memory_gb: 8, processor: 'a processor', system: 'linux x64' },
  contestants: ENTRIES.map(({ name, title, shapes, settings, durability }) => ({
    ...{ name, title, version: '1.2.3', shapes, settings, durability },
    missing: name === 'absurd' ? 'it is not here' : null,
  })),
  measurements: [
    ...[900, 1000, 4000].map((rate, index) => measurement('holdfast', index + 1, rate)),
    // The second round was twice as slow for everybody; the third does not count.
    ...[300, 100].map((rate, index) => measurement('dbos', index + 1, rate)),
    measurement('dbos', 3, 9999, { void: 'no package in /folder/of/some/file.js\n    at somewhere' }),
    ...[90, 80, 70].map((rate, index) => measurement('openworkflow', index + 1, rate)),
    ...[600, 700, 800].map((rate, index) =>
      measurement('graphile-worker', index + 1, rate, { shape: 'independent' }),
    ),
  ],
};

describe('the page of a comparison', () => {
  it('has the median and the range of the rounds that count', () => {
    expect(figure(RESULTS, 'holdfast', 'fan', drainRate)).toEqual({ median: 1000, least: 900, most: 4000 });
    expect(figure(RESULTS, 'dbos', 'fan', drainRate)).toEqual({ median: 200, least: 100, most: 300 });
    expect(figure(RESULTS, 'absurd', 'fan', drainRate)).toBeNull();
    const text = page(RESULTS);
    expect(text).toContain('| Holdfast, in the server | – | – | 1,000 (900 to 4,000) |');
    expect(text).toContain('| Holdfast, in the server | 0.200 | 1.00 | 0.300 | 0.100 |');
  });

  it('has the time of one chain alone', () => {
    const alone = { shape: 'alone', submit_ms: null, drain_ms: null } as const;
    const measurements = [7.5, 8.25].map((ms, index) =>
      measurement('holdfast', index + 1, 1, { ...alone, alone_ms: ms }),
    );
    expect(page({ ...RESULTS, measurements })).toContain('| Holdfast, in the server | 7.9 (7.5 to 8.3) |');
  });

  it('divides round by round, by the best of several', () => {
    const peers = ['openworkflow', 'dbos', 'absurd'];
    const ratio = ratioOf(RESULTS, { of: ['holdfast', 'fan'], to: [peers, 'fan'] });
    expect(ratio).toEqual({ best: 'dbos', median: 6.5, least: 3, most: 10 });
    expect(ratioOf(RESULTS, { of: ['holdfast', 'fan'], to: [['absurd'], 'fan'] })).toBeNull();
    const text = page(RESULTS);
    expect(text).toMatch(/\| Holdfast, in the server, fan 1-8-1 \| DBOS, .* \| 6\.50 \(3\.00 to 10\.0\) \|/);
    expect(text).toContain('| graphile-worker, independent | 1.50 (1.43 to 5.00) |');
  });

  it('says what is void and who is left out, without paths', () => {
    const text = page(RESULTS);
    expect(text).toContain('- DBOS, fan 1-8-1, round 3: no package in file.js\n');
    expect(text).toContain('- Absurd: it is not here.');
    expect(text).not.toContain('at somewhere');
  });
});

describe('a tally', () => {
  it('finds steps that never ran, ran twice, or ran before their needs', () => {
    const tally = createTally(2, 'fan');
    const whole = (job: number) => needsOf('fan').forEach((_, step) => void tally.ran(job, step));
    whole(0);
    whole(1);
    expect(tally.verdict(0)).toMatchObject({ ran: 20, wrong: [] });
    tally.ran(1, 9);
    expect(tally.verdict(0).wrong).toEqual(['1 steps ran more than once']);

    const early = createTally(1, 'chain');
    early.ran(0, 1);
    expect(early.verdict(0).wrong).toEqual([
      '9 steps never ran',
      expect.stringMatching(/^1 steps ran before/),
    ]);
  });
});
