import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import { formatClaimId, parseClaimId } from '../../src/domain/claim-id.ts';
import { type Rows, readRows, type StepRow } from '../../test/engine/invariants.ts';
import { type LedgerLine, readLedgers } from './ledger.ts';

/** All that is known of a storm: what everybody wrote down, and what the database holds after it. */
export interface Evidence {
  lines: readonly LedgerLine[];
  rows: Rows;
  /** Jobs that were not over 30 s after the last fault. */
  openJobs: number;
  /** What was counted while it ran, for people. */
  figures: [what: string, value: string][];
  /** Promises that were seen broken while it ran. */
  wrong: string[];
}

/** What is written while the storm runs, besides the ledgers. */
type Course = Pick<Evidence, 'openJobs' | 'figures' | 'wrong'>;

const ledgersIn = (folder: string) => join(folder, 'ledgers');
const TABLES = ['jobs', 'steps', 'attempts'] as const;

/** Writes what the database holds into the folder of a storm, so that it can be judged without one. */
export async function keepEvidence(db: Kysely<Tables>, folder: string, course: Course): Promise<void> {
  const rows = await readRows(db);
  for (const table of TABLES) {
    const lines = [...rows[table].values()].flat().map((row) => JSON.stringify(row));
    writeFileSync(join(folder, `${table}.jsonl`), `${lines.join('\n')}\n`);
  }
  writeFileSync(join(folder, 'course.json'), JSON.stringify(course));
}

/** Reads the folder of a storm. */
export function readEvidence(folder: string): Evidence {
  const read = (table: string) =>
    readFileSync(join(folder, `${table}.jsonl`), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  const [jobs, steps, attempts] = TABLES.map(read);
  const course = JSON.parse(readFileSync(join(folder, 'course.json'), 'utf8')) as Course;
  return {
    ...course,
    lines: readLedgers(ledgersIn(folder)),
    rows: rowsOf(jobs ?? [], steps ?? [], attempts ?? []),
  };
}

function rowsOf(jobs: unknown[], steps: unknown[], attempts: unknown[]): Rows {
  const all = { jobs, steps, attempts } as { [Table in keyof Rows]: (typeof jobs)[number][] };
  return {
    jobs: new Map((all.jobs as { id: string }[]).map((job) => [job.id, job])),
    steps: Map.groupBy(all.steps as { job_id: string }[], (step) => step.job_id),
    attempts: Map.groupBy(all.attempts as { job_id: string }[], (attempt) => attempt.job_id),
  } as Rows;
}

/** Which step something is of, as one string. */
export function keyOf({ job_id, ordinal }: { job_id: string; ordinal: number }): string {
  return `${job_id}/${ordinal}`;
}

/** Which step a claim is on. */
export function stepOfClaim(claim: string): string {
  const key = parseClaimId(claim);
  if (key === null) throw new Error(`${claim} is no claim`);
  return keyOf(key);
}

/** The claim that a step ended by, as the wire writes it; null when none was ever granted. */
export function claimOf(step: Pick<StepRow, 'job_id' | 'ordinal' | 'claim_id'>): string | null {
  return step.claim_id === null ? null : formatClaimId({ ...step, claim_id: String(step.claim_id) });
}
