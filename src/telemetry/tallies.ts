/**
 * Counts that the engine keeps while it works, several a step. prom-client hashes the labels at each count, half a
 * microsecond; here a count is a look in a map, and prom-client asks when somebody scrapes.
 */
import { Counter, type Histogram, type Metric, type Registry } from 'prom-client';

export interface Description {
  name: string;
  help: string;
}

interface Cell {
  count: number;
}

/** Adds to the count of one series; `values` as the label names stand. */
export type Tally<Values extends string[]> = (count: number, ...values: Values) => void;

/** A counter over one label. */
export function tallyOne(registry: Registry, about: Description, labelName: string): Tally<[string]> {
  const cells = new Map<string, Cell>();
  new Counter({
    ...about,
    labelNames: [labelName],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, { count }] of cells) this.inc({ [labelName]: value }, count);
    },
  });
  return (count, value) => {
    cellOf(cells, value, newCell).count += count;
  };
}

/** A counter over two labels. */
export function tallyTwo(
  registry: Registry,
  about: Description,
  labelNames: [string, string],
): Tally<[string, string]> {
  const [first, second] = labelNames;
  const rows = new Map<string, Map<string, Cell>>();
  new Counter({
    ...about,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [a, row] of rows) {
        for (const [b, { count }] of row) this.inc({ [first]: a, [second]: b }, count);
      }
    },
  });
  return (count, a, b) => {
    cellOf(cellOf(rows, a, newRow), b, newCell).count += count;
  };
}

/** Counts one observation of a series. */
export type Spread = (value: number, labelValue: string) => void;

interface Buckets {
  /** How many observations are at most each bound, and above those before. */
  counts: number[];
  sum: number;
}

/** A histogram over one label; what is observed is no less than zero. */
export function spreadOne(
  registry: Registry,
  about: Description,
  labelName: string,
  bounds: readonly number[],
): Spread {
  const rows = new Map<string, Buckets>();
  const newBuckets = (): Buckets => ({ counts: [...bounds, 0].fill(0), sum: 0 });
  const metric = {
    ...about,
    type: 'histogram',
    labelNames: [labelName],
    aggregator: 'sum',
    get: async () => ({
      ...about,
      type: 'histogram',
      aggregator: 'sum',
      values: [...rows].flatMap(([value, row]) => samplesOf(about.name, { [labelName]: value }, row, bounds)),
    }),
  };
  // The registry asks a metric for its name and its values, nothing else; the type names a class.
  registry.registerMetric(metric as unknown as Metric);
  return (value, labelValue) => {
    const row = cellOf(rows, labelValue, newBuckets);
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at += 1;
    row.counts[at] = (row.counts[at] as number) + 1;
    row.sum += value;
  };
}

type Sample = Awaited<ReturnType<Histogram['get']>>['values'][number];

function samplesOf(
  name: string,
  labels: Record<string, string>,
  { counts, sum }: Buckets,
  bounds: readonly number[],
): Sample[] {
  let soFar = 0;
  const buckets = [...bounds, '+Inf'].map((le, index) => {
    soFar += counts[index] as number;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: soFar };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: soFar },
  ];
}

const newCell = (): Cell => ({ count: 0 });
const newRow = (): Map<string, Cell> => new Map();

function cellOf<Value>(cells: Map<string, Value>, key: string, make: () => Value): Value {
  let cell = cells.get(key);
  if (cell === undefined) {
    cell = make();
    cells.set(key, cell);
  }
  return cell;
}
