import type pg from 'pg';
import { until } from '../support/embedded.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';

/** One life of a server, from its start to its end. */
export interface Life {
  server: string;
  process: ServerProcess;
  /** Of its entry among the workers. */
  workerId: string;
  end?: {
    by: 'SIGKILL' | 'SIGTERM';
    /** By the clock of this machine, in milliseconds since 1970. */
    at: number;
    /** How many steps its pool held when it was killed. */
    held: number;
    code: number | null;
  };
}

/** The servers of the fleet: each may end and start again where it was. */
export interface FleetServers {
  urls: readonly string[];
  /** Every life there was, in the order of their starts. */
  lives: readonly Life[];
  /** Kills a server while its own pool runs steps. */
  kill(index: number): Promise<void>;
  /** Asks a server to stop, and waits until it has. */
  stop(index: number): Promise<void>;
  /** Starts a server that ended, on its port. */
  start(index: number): Promise<void>;
}

/** All the others, and the workers, are at work meanwhile. */
const READY_MS = 60_000;
/** How long to wait for a server to have something to lose. */
const BUSY_MS = 10_000;

/** Starts so many servers on one database; `pool` looks into it. */
export async function startFleetServers(
  count: number,
  settings: Record<string, string>,
  pool: pg.Pool,
): Promise<FleetServers> {
  const lives: Life[] = [];

  async function begin(index: number, port = 0): Promise<Life> {
    const process = await startServer({ ...settings, PORT: String(port) }, READY_MS);
    const query = 'select id from worker where kind = $1 and name like $2';
    const { rows } = await pool.query<{ id: string }>(query, ['server', `%:${process.pid}`]);
    return { server: `server ${index + 1}`, process, workerId: rows[0]?.id ?? '' };
  }

  /** Steps that this server's pool runs, if one of them has just begun and so goes on for a while. */
  const heldBy = async ({ workerId }: Life): Promise<number> => {
    const query = `
      select case when bool_or(uses = 'shell' and started_at > clock_timestamp() - interval '200 ms')
        then count(*)::int4 else 0 end as held
      from step where status = 'running' and claimed_by = $1`;
    const { rows } = await pool.query<{ held: number }>(query, [workerId]);
    return rows[0]?.held ?? 0;
  };

  async function end(index: number, by: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const life = current[index] as Life;
    let held = 0;
    const look = async () => {
      held = await heldBy(life);
      return held > 0;
    };
    // With nothing to lose a death shows nothing; but it need not wait for ever for that.
    await until(look, BUSY_MS).catch(() => {});
    const at = Date.now();
    const { code } = await life.process.kill(by);
    life.end = { by, at, held, code };
  }

  // All at once: they make the tables of the empty database together, too.
  const current = await Promise.all(Array.from({ length: count }, (_, index) => begin(index)));
  lives.push(...current);
  return {
    urls: current.map(({ process }) => process.url),
    lives,
    kill: (index) => end(index, 'SIGKILL'),
    stop: (index) => end(index, 'SIGTERM'),
    async start(index) {
      const life = await begin(index, (current[index] as Life).process.port);
      lives.push(life);
      current[index] = life;
    },
  };
}
