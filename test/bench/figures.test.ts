import { describe, expect, test } from 'vitest';
import { cells, type Figure, formatValue, type Results, VoidTry } from '../../bench/measure/figures.ts';
import { quantile } from '../../bench/measure/quantile.ts';
import { markdownTable, textTable } from '../../bench/measure/table.ts';
import { createBench } from '../../bench/ours/bench.ts';
import { pageOf } from '../../bench/ours/page.ts';
import { GROUPS } from '../../bench/ours/sections.ts';
import { SIZES } from '../../bench/ours/sizes.ts';
import { randomLayered } from '../../bench/shapes.ts';

const FIGURE: Figure = { section: 'idle', what: 'chain', unit: 'ms', values: [1_234.5, 9, 2] };

function bench() {
  return createBench({ sizes: SIZES.usual, say: () => {}, onFigure: () => {} });
}

test('quantiles lie between values, whatever their order', () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([10, 0], 0.99)).toBeCloseTo(9.9);
  expect(quantile([7], 0.99)).toBe(7);
  expect(quantile([], 0.5)).toBeNaN();
});

test('values are shown with three digits that matter', () => {
  expect([0.012345, 1.5, 12.34, 123.4, 12_345.6, 0].map(formatValue)).toEqual([
    '0.0123',
    '1.50',
    '12.3',
    '123',
    '12,346',
    '0',
  ]);
});

test('a figure is shown as the median and the range of its tries', () => {
  expect(cells(FIGURE)).toEqual(['idle', 'chain', '9.00 ms', '2.00 – 1,235', '']);
  expect(cells({ ...FIGURE, values: [3] })).toEqual(['idle', 'chain', '3.00 ms', '', '']);
});

test('tables line up, and a section is named once', () => {
  const rows = [cells(FIGURE), cells({ ...FIGURE, what: 'fan' })];
  expect(textTable(['section', 'what'], rows)).toBe(
    ['section  what', '───────  ─────', 'idle     chain', '         fan'].join('\n'),
  );
  expect(markdownTable(['a', 'b'], [['1|2', '3']])).toBe('| a | b |\n|---|---|\n| 1\\|2 | 3 |');
});

describe('measuring', () => {
  const wanted = [
    { what: 'rate', unit: 'steps/s' },
    { what: 'time', unit: 'ms' },
  ];

  test('keeps what each try gave', async () => {
    const measured = bench();
    let tries = 0;
    await measured.measure(wanted, async () => [++tries, tries * 10]);
    expect(measured.figures.map(({ values }) => values)).toEqual([
      [1, 2, 3],
      [10, 20, 30],
    ]);
  });

  test('voids all figures of a try that counted wrong, and says why', async () => {
    const measured = bench();
    await measured.measure(wanted, async () => {
      throw new VoidTry('jobs: 9 instead of 10');
    });
    expect(measured.figures.map((figure) => figure.void)).toEqual(Array(2).fill('jobs: 9 instead of 10'));
    expect(cells(measured.figures[0] as Figure)[2]).toBe('VOID: jobs: 9 instead of 10');
  });

  test('voids a figure that is no number', async () => {
    const measured = bench();
    await measured.measure(wanted, async () => [1, Number.NaN]);
    expect(measured.figures.map((figure) => figure.void)).toEqual([undefined, 'it gave no number']);
  });
});

test('the page has a table for each section that was measured', () => {
  const machine = { cores: 2, memory_gb: 8, node: 'v24.0.0', postgres: '18.4' };
  const results: Results = {
    ...{ at: '2026-11-21T10:00:00.000Z', size: 'usual', tries: 3, machine },
    ...{ figures: [FIGURE], curves: [] },
  };
  const page = pageOf(results, true);
  expect(page).toContain('on 2026-11-21');
  expect(page.match(/^## .*/gm)).toEqual(['## One job at a time, nothing else (`idle`)']);
  expect(page).toContain('| chain | 9.00 ms | 2.00 – 1,235 |  |');
  expect(page).toContain('(growth.svg)');
  expect(pageOf(results, false)).not.toContain('growth.svg');
});

test('sections have names of their own', () => {
  const names = GROUPS.flat().map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('a random graph is the same for the same seed, and needs only the layer before', () => {
  const graph = randomLayered(4, 5, 7);
  expect(graph).toEqual(randomLayered(4, 5, 7));
  expect(graph).not.toEqual(randomLayered(4, 5, 8));
  expect(graph).toHaveLength(20);
  for (const { name, needs } of graph) {
    const layer = Number(/^l(\d)_/.exec(name)?.[1]);
    expect(needs.length).toBeGreaterThanOrEqual(Math.min(layer, 1));
    for (const need of needs) expect(need).toMatch(new RegExp(`^l${layer - 1}_[0-4]$`));
  }
});
