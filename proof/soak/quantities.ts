import type { Limit } from './trend.ts';

/** A kind of figure: one panel of the plot, with a line for each figure whose name fits. */
export interface Quantity {
  title: string;
  /** What names of figures it covers; what the group catches is the name of the line. */
  names: RegExp;
  unit: 'MB' | 'ms' | 'rows' | '%' | 'kB/s' | '';
  /** How much of it one unit is. */
  scale: number;
  /** Absent: only recorded and shown. */
  limit?: Limit;
  /** Only so many lines are drawn, those with the highest values. */
  lines?: number;
}

/** One look, as it is recorded: minutes since the start of the load, and figures by their names. */
export interface Sample {
  minute: number;
  figures: Record<string, number>;
}

const MB = 1_000_000;

const bytes = (title: string, names: RegExp, least: number, more: Partial<Quantity> = {}): Quantity => ({
  ...{ title, names, unit: 'MB', scale: MB },
  limit: { ratio: 0.1, least: least * MB, quantile: 0.25 },
  ...more,
});
const time = (title: string, names: RegExp, least: number, ratio = 0.5): Quantity => ({
  ...{ title, names, unit: 'ms', scale: 1 },
  limit: { ratio, least, quantile: 0.5 },
});
const count = (title: string, names: RegExp, least: number, ratio: number, unit: 'rows' | ''): Quantity => ({
  ...{ title, names, unit, scale: 1 },
  limit: { ratio, least, quantile: 0.25 },
});

/**
 * What is recorded. Whatever lives as long as the server or the database may grow by a tenth of itself; times, on a
 * machine that others use too, by half.
 */
export const QUANTITIES: readonly Quantity[] = [
  bytes('resident memory', /^(server \d|worker \d) rss$/, 16),
  bytes('heap in use, servers', /^(server \d) heap$/, 8),
  bytes('memory outside the heap, servers', /^(server \d) external$/, 8),
  count('open files and sockets, servers', /^(server \d) descriptors$/, 10, 0.1, ''),
  time('event loop lag p99, servers', /^(server \d) lag p99$/, 10),
  { title: 'processor, of one core', names: /^(server \d) cpu$/, unit: '%', scale: 1 },
  bytes('tables, without indexes', /^table (\w+) bytes$/, 1),
  bytes('indexes, the largest', /^index (?!job_by_label_key )(\w+) bytes$/, 0.25, { lines: 3 }),
  // Every job here has a label of its own, and this index must not keep them.
  bytes('index of labels', /^index (job_by_label_key) bytes$/, 0.25),
  count('live rows, as PostgreSQL estimates', /^table (\w+) live$/, 500, 0.1, 'rows'),
  count('dead rows', /^table (\w+) dead$/, 1_000, 0.25, 'rows'),
  bytes('database', /^(database) bytes$/, 4),
  { title: 'log written ahead', names: /^(database) wal rate$/, unit: 'kB/s', scale: 1_000 },
  count('steps that are open', /^backlog (\w+)$/, 50, 0.5, ''),
  count('connections to the database', /^database (connections)$/, 5, 0.1, ''),
  time('submit to 202', /^submit (p50|p99)$/, 50),
  time('ready to started', /^start (p50|p99)$/, 50),
  time('submit to the end of the job, as its client sees it', /^done (p50|p99)$/, 250),
  { title: 'load of the machine', names: /^machine (load)$/, unit: '', scale: 1 },
];

/** What others do on this machine. When that grows, times grow whatever the server does, and are not judged. */
export const BUSY = { figure: 'machine load', limit: { ratio: 0.25, least: 0.5, quantile: 0.5 } };

/** The figures of a quantity: the name of the line, and the name by which it is recorded. */
export function figuresOf(
  { names }: Quantity,
  samples: readonly Sample[],
): { line: string; figure: string }[] {
  const all = new Set(samples.flatMap(({ figures }) => Object.keys(figures)));
  return [...all].sort().flatMap((figure) => {
    const found = names.exec(figure);
    return found === null ? [] : [{ line: found[1] ?? figure, figure }];
  });
}
