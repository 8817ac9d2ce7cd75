import type { Described } from './document.ts';
import { findOperation } from './judge.ts';
import type { Outcome } from './lane.ts';
import { printShot } from './shot.ts';

/** What a run counted. */
export interface Tally {
  count(outcome: Outcome): void;
  fail(outcome: Outcome, trouble: string, seed: number): void;
  requests(): number;
  /** What went wrong, each kind once, with the request that showed it. */
  wrong: string[];
  byLevel: Record<string, number>;
  /** Requests by the class of their first answer, such as `4xx`; also `left` and `silent`. */
  byClass: Record<string, number>;
  /** Requests by call and status. */
  table: Map<string, Map<number, number>>;
  /** Calls whose 2xx, or whose refusals, were never reached; with `deep` every refusal that the document lists. */
  shallow(deep: boolean): string[];
}

/** What needs more than requests to bring about: waiting claims or outcomes by the thousand. */
const NOT_BY_REQUESTS = [429];

export function createTally(described: Described): Tally {
  const kinds = new Set<string>();
  let requests = 0;
  const tally: Tally = {
    wrong: [],
    byLevel: {},
    byClass: {},
    table: new Map(described.operations.map(({ id }) => [id, new Map()])),
    requests: () => requests,
    count: ({ shot, answers, left }) => {
      requests++;
      tally.byLevel[shot.level] = (tally.byLevel[shot.level] ?? 0) + 1;
      const [first] = answers;
      const nothing = left ? 'left' : 'silent';
      const kind = first === undefined ? nothing : `${Math.floor(first.status / 100)}xx`;
      tally.byClass[kind] = (tally.byClass[kind] ?? 0) + 1;
      if (first === undefined) return;
      const path = shot.target.split('?')[0] as string;
      const id = findOperation(described.operations, shot.method, path)?.id ?? 'no call';
      const row = tally.table.get(id) ?? new Map<number, number>();
      tally.table.set(id, row.set(first.status, (row.get(first.status) ?? 0) + 1));
    },
    fail: ({ shot, answers }, trouble, seed) => {
      const kind = `${shot.operation.id} ${trouble.slice(0, 60)}`;
      if (kinds.has(kind)) return;
      kinds.add(kind);
      const answer = answers.map(({ status, text }) => `${status} ${text.slice(0, 800)}`).join(' | ');
      tally.wrong.push(
        `${shot.operation.id}: ${trouble}\n  request ${shot.number}, ${shot.level}: ${shot.what}\n  answer: ${answer}\n` +
          `  again: node proof/fuzz.ts --seed ${seed} --only ${shot.number}\n  raw: ${printShot(shot)}`,
      );
    },
    shallow: (deep) =>
      described.operations.flatMap(({ id, responses }) => {
        const reached = [...(tally.table.get(id)?.keys() ?? [])];
        const missing = reached.some((status) => status < 300) ? [] : [`${id} never succeeded`];
        if (!reached.some((status) => status >= 400)) missing.push(`${id} was never refused`);
        if (!deep) return missing;
        const listed = Object.keys(responses)
          .map(Number)
          .filter((status) => status >= 300 && status < 500);
        const never = listed.filter(
          (status) => !reached.includes(status) && !NOT_BY_REQUESTS.includes(status),
        );
        return [...missing, ...never.map((status) => `${id} was never answered ${status}`)];
      }),
  };
  return tally;
}

/** The table as lines of text: a line for each call, `status × count`. */
export function printTable(table: Tally['table']): string[] {
  return [...table].map(([id, row]) => {
    const cells = [...row].sort(([a], [b]) => a - b).map(([status, count]) => `${status} × ${count}`);
    return `${id.padEnd(18)} ${cells.join('   ')}`;
  });
}

/** Counts by name, in one line. */
export function listed(counts: Record<string, number>): string {
  const entries = Object.entries(counts).sort(([a], [b]) => a.localeCompare(b));
  return entries.map(([name, count]) => `${name} ${count}`).join(', ');
}
