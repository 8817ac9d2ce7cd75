/** Prints the moves of steps and jobs as mermaid state diagrams: what ARCHITECTURE.md shows. */
import { JOB_MOVES } from '../src/domain/job-status.ts';
import { STEP_MOVES } from '../src/domain/step-status.ts';

type Moves = Record<string, Partial<Record<string, string>>>;

/** One table of moves as a diagram, the body of a fenced `mermaid` block. */
export function statusDiagram(moves: Moves): string {
  const arrows = Object.entries(moves).flatMap(([from, to]) =>
    Object.keys(to).map((status) => `  ${from} --> ${status}`),
  );
  return ['stateDiagram-v2', ...arrows].join('\n');
}

/** The moves that a diagram shows, as `from --> to`; labels and whatever else it holds are left aside. */
export function movesOfDiagram(diagram: string): string[] {
  return [...diagram.matchAll(/^\s*(\w+)\s*-->\s*(\w+)/gm)].map(([, from, to]) => `${from} --> ${to}`);
}

/** The moves of a table, written alike. */
export function movesOfTable(moves: Moves): string[] {
  return movesOfDiagram(statusDiagram(moves));
}

if (import.meta.main) {
  for (const moves of [STEP_MOVES, JOB_MOVES])
    process.stdout.write(`\`\`\`mermaid\n${statusDiagram(moves)}\n\`\`\`\n\n`);
}
