import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { unreadMetrics } from '../support/metrics.ts';
import { ROOT } from '../support/server-process.ts';

const read = (name: string) => readFileSync(join(ROOT, 'docs', name), 'utf8');
const PAGE = read('metrics.md');

interface Described {
  name: string;
  type: string;
  labelNames: string[];
}

/** What the server has. */
const METRICS = new Map(
  (unreadMetrics().registry.getMetricsAsArray() as unknown as Described[]).map((one) => [one.name, one]),
);

/** Labels of every series: those that Prometheus adds, and the bound of a bucket. */
const EVERYWHERE = ['instance', 'job', 'le'];

/** What is wrong with the metrics and labels that an expression of PromQL names. */
function faults(expression: string): string[] {
  const wrong: string[] = [];
  const labels = new Set(EVERYWHERE);
  const found = [...expression.matchAll(/\b((?:holdfast|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)].filter(
    // Labels may begin like a metric.
    ([, name = '']) => name !== 'nodejs_version',
  );
  for (const [, name = '', matchers = ''] of found) {
    const metric = METRICS.get(name) ?? METRICS.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (metric === undefined || (metric.name !== name) !== (metric.type === 'histogram')) {
      wrong.push(`there is no metric ${name}`);
      continue;
    }
    for (const label of metric.labelNames) labels.add(label);
    for (const [, label = ''] of matchers.matchAll(/(\w+)\s*[=!]/g))
      if (![...EVERYWHERE, ...metric.labelNames].includes(label)) wrong.push(`${name} has no ${label}`);
  }
  if (found.length === 0) wrong.push('it names no metric');
  for (const [, list = ''] of expression.matchAll(/\b(?:by|on) \(([^)]*)\)/g))
    for (const label of list.split(', ')) if (!labels.has(label)) wrong.push(`nothing has ${label}`);
  return wrong.map((what) => `${what}: ${expression}`);
}

/** Labels that a text takes from the series: `{{uses}}`, `{{ $labels.uses }}`. */
function labelsIn(text: string): string[] {
  return [...text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label = '']) => label);
}

/** The labels by which an expression tells its series apart. */
function kept(expression: string): string[] {
  const by = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '));
  return by.length > 0 ? by : [...EVERYWHERE, ...METRICS.values().flatMap(({ labelNames }) => labelNames)];
}

it('explains every metric with its type and its labels, and no other', () => {
  const rows = [...PAGE.matchAll(/^\| `((?:holdfast|nodejs|process)_\w+)` \| (\w+) \|([^|]*)\| (.+) \|$/gm)];
  const explained = rows.map(([, name, type, labels = '']) => ({
    name,
    type,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort(),
  }));
  const had = [...METRICS.values()].map(({ name, type, labelNames }) => ({
    name,
    type,
    labels: [...labelNames].sort(),
  }));
  const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
    String(a.name).localeCompare(String(b.name));
  expect(had.length).toBeGreaterThan(40);
  expect(explained.sort(byName)).toEqual(had.sort(byName));
});

it('asks only what the metrics can tell', () => {
  const [, table = ''] = PAGE.split('| question | expression |');
  const expressions = [...table.matchAll(/^\| [^`]+ \| `(.+?)`/gm)].map(([, one = '']) =>
    one.replaceAll('\\|', '|'),
  );
  expect(expressions.length).toBeGreaterThan(5);
  expect(expressions.flatMap(faults)).toEqual([]);
});

it('names metrics as the field does: a prefix, units, and `_total` for what only grows', () => {
  for (const { name, type } of METRICS.values()) {
    expect(name).toMatch(/^(holdfast|nodejs|process)_[a-z0-9_]+$/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(name, 'base units').not.toMatch(/_(ms|milliseconds|kb|mb|minutes)(_|$)/);
  }
});

describe('the dashboard', () => {
  const dashboard = JSON.parse(read('grafana-dashboard.json'));
  const panels: {
    id: number;
    type: string;
    title: string;
    gridPos: { h: number; w: number; x: number; y: number };
    datasource?: { uid: string };
    targets?: { expr: string; legendFormat: string }[];
  }[] = dashboard.panels;

  it('shows metrics that there are, by labels that they have', () => {
    const targets = panels.flatMap((panel) => panel.targets ?? []);
    expect(targets.length).toBeGreaterThan(40);
    expect(targets.flatMap(({ expr }) => faults(expr))).toEqual([]);
    for (const { expr, legendFormat } of targets)
      expect(kept(expr), expr).toEqual(expect.arrayContaining(labelsIn(legendFormat)));
  });

  it('shows every metric of ours', () => {
    const shown = JSON.stringify(panels);
    expect(
      [...METRICS.keys()].filter((name) => name.startsWith('holdfast_') && !shown.includes(name)),
    ).toEqual([]);
  });

  it('can be imported: any source of data, ids of their own, no panel over another', () => {
    const variables = dashboard.templating.list.map(({ name }: { name: string }) => name);
    expect(variables).toEqual(['datasource', 'instance']);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { type, title, datasource, gridPos } of panels) {
      if (type !== 'row') expect(datasource?.uid, title).toBe('${datasource}');
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x} ${y}`), title).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});

describe('the alert rules', () => {
  interface Rule {
    alert: string;
    expr: string;
    for?: string;
    labels: { severity: string };
    annotations: { summary: string; description: string };
  }
  const rules: Rule[] = parse(read('alert-rules.yml')).groups.flatMap(
    (group: { rules: Rule[] }) => group.rules,
  );

  it('watch metrics that there are, and tell them by labels that they have', () => {
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.flatMap(({ expr }) => faults(expr))).toEqual([]);
    for (const { expr, annotations } of rules)
      expect(kept(expr), expr).toEqual(expect.arrayContaining(labelsIn(JSON.stringify(annotations))));
  });

  it('say what is wrong and what to do, each under a name of its own', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, labels, annotations } of rules) {
      expect(alert).toMatch(/^Holdfast[A-Z]\w+$/);
      expect(['critical', 'warning', 'info']).toContain(labels.severity);
      expect(annotations.summary, alert).toBeTruthy();
      expect(annotations.description, alert).toMatch(/\.$/);
    }
  });
});
