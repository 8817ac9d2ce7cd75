import type pg from 'pg';
import type { Client } from '../../client/src/index.ts';

export interface Retention {
  /** Ages jobs and asks for a cleanup once more, until nothing is left to delete. When that was, since 1970. */
  sweep(): Promise<number>;
  /** How many jobs the cleanup that clients ask for has deleted. */
  deleted(): number;
}

/**
 * Retention is counted in days, and the shortest is one. So the jobs that ended `keepMs` ago are made a day older; what
 * deletes them then is the servers' own (`RETENTION_DAYS=1`, a look a minute) and the cleanup that a timer would ask for.
 * That writes the row of each job once more than usual: the tables have more to bear, not less.
 */
export function keepRetention(
  {
    pool,
    client,
    keepMs,
    everyMs,
    signal,
  }: {
    pool: pg.Pool;
    client: Client;
    keepMs: number;
    everyMs: number;
    signal: AbortSignal;
  },
  onError: (error: unknown) => void,
): Retention {
  let deleted = 0;
  const age = () =>
    pool.query(
      `update job set finished_at = finished_at - interval '1 day'
       where finished_at < clock_timestamp() - $1 * interval '1 millisecond'
         and finished_at > clock_timestamp() - interval '12 hours'`,
      [keepMs],
    );
  const cleanup = async () => {
    for (let more = true; more && !signal.aborted; ) {
      const report = await client.cleanup({ days: 1 });
      deleted += report.deleted_count;
      more = report.more;
    }
  };
  const pass = async (turn: number) => {
    await age();
    // In between the servers' own has something to do.
    if (turn % 4 === 0) await cleanup();
  };
  let turn = 0;
  let passing = Promise.resolve();
  const timer = setInterval(() => {
    turn += 1;
    passing = passing.then(() => pass(turn)).catch(onError);
  }, everyMs);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  return {
    deleted: () => deleted,
    async sweep() {
      clearInterval(timer);
      await passing;
      const at = Date.now();
      await age();
      await cleanup();
      return at;
    },
  };
}
