import type pg from 'pg';
import type { Client } from '../../client/src/index.ts';

export interface Retention {
  /**
   * Deletes, for the last time, all jobs that ended more than `keepMs` ago. Gives the moment, in milliseconds since
   * 1970: what ended before it is gone, what ended later is still there.
   */
  sweep(keepMs: number): Promise<number>;
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
  /** By the clock of the database, as ends are. */
  const ago = async (ms: number) => {
    const clock = 'select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now';
    const { rows } = await pool.query<{ now: number }>(clock);
    return (rows[0]?.now ?? 0) - ms;
  };
  const age = (before: number) =>
    pool.query(
      `update job set finished_at = finished_at - interval '1 day'
       where finished_at < to_timestamp($1::float8 / 1000)
         and finished_at > clock_timestamp() - interval '12 hours'`,
      [before],
    );
  const cleanup = async () => {
    for (let more = true; more && !signal.aborted; ) {
      const report = await client.cleanup({ days: 1 });
      deleted += report.deleted_count;
      more = report.more;
    }
  };
  const pass = async (turn: number) => {
    await age(await ago(keepMs));
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
    async sweep(lastKeepMs) {
      clearInterval(timer);
      await passing;
      const before = await ago(lastKeepMs);
      await age(before);
      await cleanup();
      return before;
    },
  };
}
