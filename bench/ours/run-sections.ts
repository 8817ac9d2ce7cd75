import { availableParallelism, totalmem } from 'node:os';
import { cells, type Figure, type Results } from '../measure/figures.ts';
import { createBench } from './bench.ts';
import { GROUPS } from './sections.ts';
import type { Sizes } from './sizes.ts';

/** A run under way. */
export interface SectionsRun {
  /** What was measured, sections that failed included, as figures that are void. Never rejects. */
  results: Promise<Results>;
  /** Ends the servers that were started; the sections left then fail. */
  end(): Promise<void>;
}

/** Runs the sections of these names, all when there are none, in their order; each figure is said as it comes. */
export function runSections(
  names: readonly string[],
  sizes: Sizes,
  say: (line: string) => void,
): SectionsRun {
  const bench = createBench({ sizes, say, onFigure: (figure) => say(lineOf(figure)) });
  let postgres = '';
  let ended = false;
  const run = async () => {
    for (const group of GROUPS) {
      for (const section of group) {
        if (ended || (names.length > 0 && !names.includes(section.name))) continue;
        say(`\n${section.name}: ${section.about}`);
        bench.enter(section.name);
        const from = performance.now();
        try {
          await section.run(bench);
          postgres ||= await versionOf(await bench.server());
        } catch (error) {
          // Its servers were taken away.
          if (ended) break;
          const failed = error instanceof Error ? error.message : String(error);
          const figure = { section: section.name, what: 'the section', unit: '', values: [], void: failed };
          bench.figures.push(figure);
          say(lineOf(figure));
        }
        say(`  (${((performance.now() - from) / 1000).toFixed(0)} s)`);
      }
      await bench.endGroup();
    }
    return {
      at: new Date().toISOString(),
      machine: {
        cores: availableParallelism(),
        memory_gb: Math.round(totalmem() / 2 ** 30),
        node: process.version,
        postgres,
      },
      size: sizes.name,
      tries: sizes.tries,
      figures: bench.figures,
      curves: bench.curves,
    };
  };
  return {
    results: run(),
    async end() {
      ended = true;
      await bench.endGroup();
    },
  };
}

function lineOf(figure: Figure): string {
  const [, what, value, range, note] = cells(figure);
  return `  ${what}: ${value}${range ? ` (${range})` : ''}${note ? `; ${note}` : ''}`;
}

async function versionOf(server: {
  database: { query(text: string): Promise<{ rows: unknown[] }> };
}): Promise<string> {
  const { rows } = await server.database.query('show server_version');
  return (rows[0] as { server_version: string }).server_version;
}
