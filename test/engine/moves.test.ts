import { existsSync, readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { movesOfDiagram, movesOfTable } from '../../scripts/status-diagram.ts';
import { isTerminalJob, JOB_MOVES, JOB_STATUSES } from '../../src/domain/job-status.ts';
import { isTerminalStep, STEP_MOVES, STEP_STATUSES } from '../../src/domain/step-status.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});

afterAll(() => database.close());

/** The words that a CHECK constraint allows. */
async function allowed(constraint: string): Promise<string[]> {
  const { rows } = await sql<{ definition: string }>`
    select pg_get_constraintdef(oid) as definition from pg_constraint where conname = ${constraint}`.execute(
    database.db,
  );
  return [...(rows[0]?.definition ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1] as string);
}

const TABLES = [
  {
    of: 'steps',
    moves: STEP_MOVES,
    statuses: STEP_STATUSES,
    constraint: 'step_status_known',
    isOver: isTerminalStep,
  },
  {
    of: 'jobs',
    moves: JOB_MOVES,
    statuses: JOB_STATUSES,
    constraint: 'job_status_known',
    isOver: isTerminalJob,
  },
] as const;

describe.each(TABLES)('the statuses of $of', ({ moves, statuses, constraint, isOver }) => {
  it('are the same in the table of moves, in the list and in the database', async () => {
    expect(Object.keys(moves).sort()).toEqual([...statuses].sort());
    expect((await allowed(constraint)).sort()).toEqual([...statuses].sort());
  });

  it('lead to each other, each with what causes it', () => {
    for (const [from, to] of Object.entries(moves)) {
      for (const [status, cause] of Object.entries(to as Record<string, string>)) {
        expect(statuses, from).toContain(status);
        expect(cause, `${from} to ${status}`).toMatch(/\w{3}/);
      }
    }
  });

  it('have no way out that is no retry by hand once they are terminal, and a way to every terminal one before', () => {
    for (const status of statuses) {
      const causes = Object.values(moves[status as never] as Record<string, string>);
      if (isOver(status as never)) for (const cause of causes) expect(cause).toContain('retr');
      else
        expect([...reachable(moves, status)].filter((found) => isOver(found as never))).toHaveLength(
          terminal(statuses, isOver),
        );
    }
  });

  it('are drawn in ARCHITECTURE.md as they are', () => {
    const page = new URL('../../ARCHITECTURE.md', import.meta.url);
    const diagrams = existsSync(page) ? stateDiagrams(readFileSync(page, 'utf8')) : [];
    const drawn = diagrams.map((diagram) => movesOfDiagram(diagram).sort());
    expect(drawn, 'print it by: node scripts/status-diagram.ts').toContainEqual(movesOfTable(moves).sort());
  });
});

/** The statuses of the diagrams in a page; arrows from and to `[*]` are no moves. */
function stateDiagrams(page: string): string[] {
  return [...page.matchAll(/```mermaid\s+(stateDiagram-v2[\s\S]*?)```/g)].map((match) => match[1] as string);
}

function terminal(statuses: readonly string[], isOver: (status: never) => boolean): number {
  return statuses.filter((status) => isOver(status as never)).length;
}

function reachable(moves: Record<string, object>, from: string): Set<string> {
  const found = new Set<string>();
  const open = [from];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const status of Object.keys(moves[next] ?? {})) {
      if (found.has(status)) continue;
      found.add(status);
      open.push(status);
    }
  }
  return found;
}
