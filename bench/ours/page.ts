import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cells, type Results } from '../measure/figures.ts';
import { markdownTable } from '../measure/table.ts';
import { drawCurves } from './draw-curves.ts';
import { GROUPS } from './sections.ts';

export const HEADS = ['section', 'what', 'median', 'range', 'note'];

const PICTURE = 'growth.svg';
const FOLDER = join(import.meta.dirname, '../../docs/performance');

/**
 * Writes docs/performance/holdfast.md, and the curves beside it where they can be drawn; what was written, and what
 * was not, for people.
 */
export async function writePage(results: Results): Promise<string[]> {
  mkdirSync(FOLDER, { recursive: true });
  const { curves } = results;
  const picture = curves.length === 0 ? null : await drawCurves(curves);
  if (picture !== null) writeFileSync(join(FOLDER, PICTURE), picture);
  writeFileSync(join(FOLDER, 'holdfast.md'), pageOf(results, picture !== null));
  const missing = curves.length > 0 && picture === null;
  return [
    'Wrote docs/performance/holdfast.md',
    ...(picture === null ? [] : [`Wrote docs/performance/${PICTURE}`]),
    ...(missing ? ['The curves are not drawn: that takes the packages of bench/ (cd bench && npm ci)'] : []),
  ];
}

/** The results as a page, with the curves' picture or without. */
export function pageOf(results: Results, hasPicture: boolean): string {
  const { at, machine, size, tries, figures } = results;
  const command = size === 'usual' ? 'npm run bench -- --write' : `npm run bench -- --${size} --write`;
  const sections = GROUPS.flat().flatMap(({ name, about }) => {
    const own = figures.filter(({ section }) => section === name);
    if (own.length === 0) return [];
    const rows = own.map((figure) => cells(figure).slice(1));
    return [
      `## ${about[0]?.toUpperCase()}${about.slice(1)} (\`${name}\`)`,
      markdownTable(HEADS.slice(1), rows),
    ];
  });
  return `${[
    '# Figures of Holdfast alone',
    `Written by \`${command}\` on ${at.slice(0, 10)}; do not edit.`,
    `${machine.cores} cores, ${machine.memory_gb} GB of memory, Node ${machine.node.replace(/^v/, '')}, PostgreSQL ` +
      `${machine.postgres} (the embedded one, with its usual settings: \`fsync\` and \`synchronous_commit\` on). The ` +
      'server, the database and whoever sends the load share the machine. Medians of ' +
      `${tries === 1 ? 'one try' : `${tries} tries`} where nothing else is said, and the range of them.`,
    ...sections,
    ...(hasPicture ? [`![Cost of a step as jobs, backlog and history grow](${PICTURE})`] : []),
  ].join('\n\n')}\n`;
}
