import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SettledClaimList } from '../../client/src/index.ts';
import { parseClaimId } from '../../src/domain/claim-id.ts';

/** An execution that began. */
export interface Begun {
  kind: 'begun';
  worker: string;
  claim: string;
  attempt: number;
}

/** What the server said to an outcome that was sent to it. */
export interface Answered {
  kind: 'answered';
  worker: string;
  claim: string;
  sent: 'succeeded' | 'failed' | 'released';
  status: number;
  /** Of an accepted one: `succeeded`, `retrying`, … */
  outcome?: string | undefined;
  /** Of a refused one. */
  code?: string | undefined;
}

export type LedgerLine = Begun | Answered;

/** A worker's own account: written line by line while it works, so that it is there however the worker ends. */
export interface Ledger {
  begun(claim: { id: string; attempt: number }): void;
  answered(answer: Omit<Answered, 'kind' | 'worker'>): void;
  /** A `fetch` that enters the answers to `POST /v1/claims/settle` as they come over the wire. */
  fetch: typeof fetch;
}

/** Opens the account of a worker in a folder. */
export function openLedger(folder: string, worker: string): Ledger {
  const file = join(folder, `${worker}.jsonl`);
  const write = (line: LedgerLine) => appendFileSync(file, `${JSON.stringify(line)}\n`);
  const answered: Ledger['answered'] = (answer) => write({ kind: 'answered', worker, ...answer });
  return {
    begun: ({ id, attempt }) => write({ kind: 'begun', worker, claim: id, attempt }),
    answered,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      if (!String(url).endsWith('/v1/claims/settle') || response.status !== 200) return response;
      const answer = (await response.clone().json()) as SettledClaimList;
      const { outcomes } = JSON.parse(String(init?.body));
      for (const [index, { id, status, outcome, code }] of answer.data.entries())
        answered({ claim: id, sent: sentOf(outcomes[index]), status, outcome, code });
      return response;
    },
  };
}

function sentOf(outcome: { error?: unknown; release?: boolean }): Answered['sent'] {
  if (outcome.release === true) return 'released';
  return outcome.error === undefined ? 'succeeded' : 'failed';
}

/** The accounts of all workers, each in its order. */
export function readLedgers(folder: string): LedgerLine[] {
  return readdirSync(folder).flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LedgerLine),
  );
}

/** Which step a claim is on, as one string. */
export function stepOfClaim(claim: string): string {
  const key = parseClaimId(claim);
  if (key === null) throw new Error(`${claim} is no claim`);
  return `${key.job_id}/${key.ordinal}`;
}
