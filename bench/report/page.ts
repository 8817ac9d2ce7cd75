import { GRAPHS, type Graph, needsOf, type Shape } from '../peers/contestant.ts';
import type { Measurement } from '../peers/measure.ts';
import type { Spread } from '../peers/spread.ts';
import {
  briefly,
  type Described,
  drainRate,
  figure,
  RATIOS,
  type Ratio,
  type Results,
  ratioOf,
  submitRate,
} from './results.ts';

const SHAPE_NAMES: Record<Shape, string> = {
  alone: 'one chain alone',
  independent: 'independent',
  chain: 'chain of 10',
  fan: 'fan 1-8-1',
};

/** The page of a run, as Markdown. */
export function page(results: Results): string {
  const measured = results.contestants.filter(({ name }) =>
    results.measurements.some(({ contestant }) => contestant === name),
  );
  const missing = results.contestants.filter((one) => one.missing !== null && !measured.includes(one));
  return `${[
    '<!-- Written by `npm run bench:peers`; do not edit. -->',
    '# Holdfast beside its peers',
    introduction(results),
    '![Steps a second of each, on a logarithmic scale](peers.svg)',
    '## Steps a second',
    'All jobs are stored first; then whatever runs steps is started, and the time runs until the outcome of the last step is stored. Median of the rounds (least to most).',
    ratesTable(results, measured, drainRate),
    '## Jobs a second, submitted',
    'While nothing runs steps. A job has one step (independent) or ten.',
    ratesTable(results, measured, submitRate),
    '## One chain alone, in milliseconds',
    'A chain of 10 with nothing else to do, one at a time: from its submit to the run of its last step (for Holdfast: to the answer that the job has succeeded).',
    aloneTable(results, measured),
    '## Ratios',
    'Of steps a second, each round by itself; median (least to most).',
    ratiosTable(results),
    '## What a step costs',
    "Commits, and bytes of the database's log of changes: submit and drain together. Processor time: of the drain, in the processes of the database and in those of the contestant.",
    ...GRAPHS.map((shape) => costTable(results, measured, shape)),
    '## How each was set, and what it promises',
    ...measured.map(section),
    ...(missing.length === 0
      ? []
      : ['## Left out', missing.map((one) => `- ${one.title}: ${one.missing}.`).join('\n')]),
    ...voids(results),
  ].join('\n\n')}\n`;
}

function introduction({ date, quick, machine, versions, measurements }: Results): string {
  const rounds = Math.max(0, ...measurements.map(({ round }) => round));
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    ...(quick ? ['**A short run to try things out: its figures say nothing.**\n'] : []),
    `${date}, ${machine.cores} cores (${machine.processor}), ${machine.memory_gb} GB, ${machine.system}; ${list.join(', ')}. ` +
      `${rounds} ${rounds === 1 ? 'round' : 'rounds'}, in turn. Absolute figures belong to this machine; the ratios travel better.`,
    '',
    'Everybody uses the same PostgreSQL, the one that comes with Holdfast with the settings that it has there (`fsync` and ' +
      '`synchronous_commit` on), in a database of its own, by TCP on loopback; BullMQ a Redis of its own. Clients, workers and ' +
      'database share the machine. Steps do nothing. Each step is counted: a measurement in which one ran twice, not at all, or ' +
      'before its needs, is void.',
    '',
    `Shapes: jobs of one step (independent), a chain of 10 steps, and a fan 1-8-1 (one step, eight that need it, one that needs those).`,
  ].join('\n');
}

function ratesTable(
  results: Results,
  measured: readonly Described[],
  of: (one: Measurement) => number | null,
): string {
  const rows = measured.map(({ name, title, shapes }) => [
    title,
    ...GRAPHS.map(
      (shape) => rate(figure(results, name, shape, of)) + (shapes[shape] === undefined ? '' : ' *'),
    ),
  ]);
  const notes = measured.some(({ shapes }) => Object.keys(shapes).length > 0)
    ? '\n\n\\* made by hand, for want of words of its own: see below.'
    : '';
  return table(['', ...GRAPHS.map((shape) => SHAPE_NAMES[shape])], rows) + notes;
}

function aloneTable(results: Results, measured: readonly Described[]): string {
  const rows = measured.flatMap(({ name, title }) => {
    const found = figure(results, name, 'alone', ({ alone_ms }) => alone_ms);
    return found === null ? [] : [[title, within(found, (ms) => (ms < 100 ? ms.toFixed(1) : whole(ms)))]];
  });
  return rows.length === 0 ? 'Not measured.' : table(['', 'chain of 10, ms'], rows);
}

function rate(of: Spread | null): string {
  if (of === null) return '–';
  return within(of, whole);
}

function ratiosTable(results: Results): string {
  const rows = RATIOS.flatMap((ratio) => {
    const found = ratioOf(results, ratio);
    if (found === null) return [];
    const of = `${titleOf(results, ratio.of[0])}, ${SHAPE_NAMES[ratio.of[1]]}`;
    return [[of, below(results, ratio, found.best), times(found)]];
  });
  return rows.length === 0 ? 'None: too few were measured.' : table(['', 'to', 'ratio'], rows);
}

function below(results: Results, { to: [contestants, shape] }: Ratio, best: string): string {
  const name = `${titleOf(results, best)}, ${SHAPE_NAMES[shape]}`;
  if (contestants.length === 1) return name;
  return `${name}, the best of ${contestants.map((one) => titleOf(results, one)).join(', ')}`;
}

function times(of: Spread): string {
  return within(of, (value) => value.toFixed(value < 10 ? 2 : 1));
}

/** One round has no range. */
function within({ median, least, most }: Spread, text: (value: number) => string): string {
  return least === most ? text(median) : `${text(median)} (${text(least)} to ${text(most)})`;
}

function costTable(results: Results, measured: readonly Described[], shape: Graph): string {
  const steps = needsOf(shape).length;
  const a = (name: string, of: keyof Measurement, digits: number, unit = 1) => {
    const found = figure(results, name, shape, (one) => {
      const value = one[of];
      return typeof value === 'number' ? value / one.steps / unit : null;
    });
    return found === null ? '–' : found.median.toFixed(digits);
  };
  const rows = measured.map(({ name, title }) => [
    title,
    a(name, 'commits', 3),
    a(name, 'wal_bytes', 2, 1024),
    a(name, 'database_cpu_ms', 3),
    a(name, 'own_cpu_ms', 3),
  ]);
  const head = ['commits', 'log, KB', 'database, ms', 'contestant, ms'];
  const name = steps === 1 ? 'A step of an independent job' : `A step of a ${SHAPE_NAMES[shape]}`;
  return table([name, ...head], rows);
}

function section({ title, version, settings, durability, shapes }: Described): string {
  const notes = GRAPHS.flatMap((shape) =>
    shapes[shape] === undefined ? [] : [`- ${SHAPE_NAMES[shape]}: ${shapes[shape]}`],
  );
  return [
    `**${title}**${version === null ? '' : ` ${version}`}. ${settings} Durability: ${durability}.`,
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ].join('\n');
}

function voids({ measurements, contestants }: Results): string[] {
  const rows = measurements.flatMap((one) => {
    if (one.void === null) return [];
    const title = contestants.find(({ name }) => name === one.contestant)?.title ?? one.contestant;
    return [`- ${title}, ${SHAPE_NAMES[one.shape]}, round ${one.round}: ${briefly(one.void)}`];
  });
  return rows.length === 0 ? [] : ['## Void', rows.join('\n')];
}

function titleOf({ contestants }: Results, name: string): string {
  return contestants.find((one) => one.name === name)?.title ?? name;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const isText = (index: number) => index === 0 || rows.every((cells) => /^[^\d–]/.test(cells[index] ?? ''));
  const rule = head.map((_, index) => (isText(index) ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
