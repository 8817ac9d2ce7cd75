import { median } from './quantile.ts';

/** Something measured: the values of all tries, or why there is none. */
export interface Figure {
  section: string;
  what: string;
  unit: string;
  values: number[];
  /** What stands behind it, such as the size of the sample. */
  note?: string | undefined;
  /** Why it does not count. */
  void?: string;
}

/** What a section wants measured. */
export interface Wanted {
  what: string;
  unit: string;
  note?: string;
}

/** A line of points, such as cost by size. */
export interface Curve {
  title: string;
  unit: string;
  xAxis: string;
  series: { name: string; points: { x: number; y: number }[] }[];
}

/** Everything that one run measured. */
export interface Results {
  at: string;
  machine: { cores: number; memory_gb: number; node: string; postgres: string };
  size: string;
  tries: number;
  figures: Figure[];
  curves: Curve[];
}

/** Thrown when a try counted wrong: what it measured is not a figure. */
export class VoidTry extends Error {}

/** Three digits that matter, more before the point. */
export function formatValue(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Section, what, median with unit, range of the tries, note. */
export function cells({ section, what, unit, values, note = '', void: reason }: Figure): string[] {
  if (reason !== undefined) return [section, what, `VOID: ${reason}`, '', note];
  const range =
    values.length < 2 ? '' : `${formatValue(Math.min(...values))} – ${formatValue(Math.max(...values))}`;
  return [section, what, `${formatValue(median(values))} ${unit}`.trim(), range, note];
}
