/**
 * Holdfast's own figures: `npm run bench`, or `npm run bench -- idle drain` for some sections.
 *   --quick   little of everything, once: to see that it works
 *   --full    the sizes that take long: 100,000 one-step jobs, 1,000,000 finished steps, 1,000,000 jobs to read
 *   --write   also writes docs/performance/holdfast.md and the growth curves beside it
 *   --list    names the sections
 * Every group of sections has a server process of its own with an empty embedded database; everything goes over HTTP
 * on loopback, and what happened when is read from the timestamps in the database. A try whose jobs did not all
 * succeed, with each step run once, is void. All results go to bench/results/ as JSON.
 *
 * The generator of load shares the machine. It keeps its connections, sends bodies made beforehand and parses no
 * answers: what it costs a step is measured in `cost`, where each job is a request of its own. Batches, which all
 * sections use that are not about submitting, cost it hardly anything. Figures of one machine compare with each other
 * only. Ends with 1 when a figure is void; Ctrl-C ends all that it started.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cells, type Results } from './measure/figures.ts';
import { textTable } from './measure/table.ts';
import { HEADS, writePage } from './ours/page.ts';
import { runSections } from './ours/run-sections.ts';
import { GROUPS } from './ours/sections.ts';
import { SIZES } from './ours/sizes.ts';

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).filter((one) => one !== '--'),
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

function keep(results: Results): string {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const name = `holdfast-${results.at.replaceAll(':', '-')}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(results, null, 2)}\n`);
  return `bench/results/${name}`;
}

async function bench(): Promise<void> {
  const size = values.full ? 'full' : values.quick ? 'quick' : 'usual';
  const run = runSections(positionals, SIZES[size], (line) => process.stderr.write(`${line}\n`));
  const from = performance.now();
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      interrupted = true;
      void run.end().finally(() => process.exit(130));
    });
  const results = await run.results;
  if (interrupted) return;
  const { cores, node, postgres } = results.machine;
  const seconds = Math.round((performance.now() - from) / 1000);
  console.log(
    `\nSizes: ${size}. ${cores} cores, Node ${node}, PostgreSQL ${postgres}; ${seconds} s. Medians and ranges of tries.\n`,
  );
  console.log(textTable(HEADS, results.figures.map(cells)));
  console.log(`\nKept in ${keep(results)}`);
  if (values.write) for (const line of await writePage(results)) console.log(line);
  if (results.figures.some((figure) => figure.void !== undefined)) process.exitCode = 1;
}

const known = GROUPS.flat();
const unknown = positionals.filter((name) => !known.some((section) => section.name === name));
if (unknown.length > 0) {
  console.error(`No section ${unknown.join(', ')}. There are: ${known.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
} else if (values.list) {
  console.log(
    textTable(
      ['section', 'measures'],
      known.map(({ name, about }) => [name, about]),
    ),
  );
} else {
  await bench();
}
