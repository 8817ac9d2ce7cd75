import { readdirSync, readFileSync } from 'node:fs';

// What `getconf CLK_TCK` says on every Linux that Node runs on.
const TICKS_PER_SECOND = 100;

interface Entry {
  pid: number;
  parent: number;
  /** Its own, and that of children which have ended. */
  ticks: number;
}

/**
 * The processor time of a process and all that descends from it, in milliseconds; `without` leaves out another
 * process with all of its own. Null where the system does not tell (it is read from /proc).
 */
export function processorTime(pid: number, without?: number): number | null {
  const entries = readEntries();
  if (entries.length === 0) return null;
  const ticks = sum(entries, pid) - (without === undefined ? 0 : sum(entries, without));
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** The process that started this one. */
export function parentOf(pid: number): number | undefined {
  return readEntry(String(pid))?.parent;
}

function sum(entries: readonly Entry[], pid: number): number {
  const own = entries.find((entry) => entry.pid === pid)?.ticks ?? 0;
  return entries
    .filter((entry) => entry.parent === pid)
    .reduce((ticks, { pid }) => ticks + sum(entries, pid), own);
}

function readEntries(): Entry[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(readEntry)
      .filter((entry) => entry !== undefined);
  } catch {
    return [];
  }
}

function readEntry(pid: string): Entry | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may itself hold brackets and spaces.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const ticks = [11, 12, 13, 14].reduce((ticks, index) => ticks + (fields[index] ?? 0), 0);
    return { pid: Number(pid), parent: fields[1] ?? 0, ticks };
  } catch {
    return undefined;
  }
}
