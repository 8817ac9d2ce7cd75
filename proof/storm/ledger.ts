import { fsyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A client is about to send these jobs. */
export interface Submitted {
  kind: 'submitted';
  at: number;
  key: string;
  names: string[];
}

/** What a server said to it; said twice when it was sent twice. */
export interface Accepted {
  kind: 'accepted';
  at: number;
  key: string;
  ids: string[];
}

/** What a client did with a job besides, and what it was told: the job's status then, or a problem's code. */
export interface Steered {
  kind: 'steered';
  at: number;
  verb: 'cancel' | 'pause' | 'resume' | 'retry' | 'delete';
  job: string;
  /** HTTP status; 0 before there is an answer. */
  status: number;
  said?: string;
}

/** A client saw a job in a terminal status. */
export interface Seen {
  kind: 'seen';
  at: number;
  job: string;
  status: string;
  version: number;
}

/** An execution that began. */
export interface Begun {
  kind: 'begun';
  at: number;
  worker: string;
  claim: string;
  attempt?: number;
}

/** An execution that came to its end, before anybody was told. */
export interface Ended {
  kind: 'ended';
  at: number;
  worker: string;
  claim: string;
}

/** What a server said to an outcome that was sent to it. */
export interface Answered {
  kind: 'answered';
  at: number;
  worker: string;
  claim: string;
  sent: 'succeeded' | 'failed' | 'released';
  status: number;
  /** Of an accepted one: `succeeded`, `retrying`, … */
  outcome?: string | undefined;
  /** Of a refused one. */
  code?: string | undefined;
}

/** Something that was done to servers, workers, the database or a connection. */
export interface Done {
  kind: 'done';
  at: number;
  what: string;
  to: string;
}

export type LedgerLine = Submitted | Accepted | Steered | Seen | Begun | Ended | Answered | Done;

/** Line by line: what is not yet whole at the end of a killed process is no line. */
export interface Ledger {
  write(line: LedgerLine): void;
}

/** Opens an account in a folder. Each line is on the disk before `write` returns, whatever happens to who wrote it. */
export function openLedger(folder: string, name: string): Ledger {
  const file = openSync(join(folder, `${name}.jsonl`), 'a');
  return {
    write(line) {
      writeSync(file, `${JSON.stringify(line)}\n`);
      fsyncSync(file);
    },
  };
}

/** All accounts of a folder, in the order of time. */
export function readLedgers(folder: string): LedgerLine[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.jsonl'))
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n').filter(isWhole))
    .map((line) => JSON.parse(line) as LedgerLine)
    .sort((one, other) => one.at - other.at);
}

// A writer that was killed may have left half a line, and its successor goes on behind that.
function isWhole(line: string): boolean {
  return line.startsWith('{"kind":') && line.endsWith('}');
}
