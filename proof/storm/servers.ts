import type { Random } from '../../test/engine/random-jobs.ts';
import { type ServerProcess, startServer } from '../../test/support/server-process.ts';
import { type Door, openDoor } from './door.ts';

/** A server behind a door, which can be killed, held still, asked to stop and started again. */
export interface StormServer {
  name: string;
  door: Door;
  kill(): Promise<void>;
  stop(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  start(): Promise<void>;
  /** How often it ended without being told to, with what it said last. */
  endedByItself: string[];
  /** How often a start was refused, as it is while the database is away. */
  refusedStarts: number;
  /** How many lines of each kind its lives wrote that are errors: `message` of each. */
  errors: Map<string, number>;
}

const READY_MS = 60_000;
const CLOCK = new URL('clock.ts', import.meta.url).href;

/** Starts a server and opens a door before it. `skewMs`: how wrong its clock is. */
export async function startStormServer(
  options: { name: string; settings: Record<string, string>; skewMs: number; trouble: number },
  random: Random,
  isOver: () => boolean,
): Promise<StormServer> {
  const { name, settings, skewMs, trouble } = options;
  const errors = new Map<string, number>();
  const endedByItself: string[] = [];
  let isExpected = false;

  async function begin(port: number): Promise<ServerProcess> {
    const env = {
      ...settings,
      ...{ PORT: String(port), CLOCK_SKEW_MS: String(skewMs), NODE_OPTIONS: `--import ${CLOCK}` },
    };
    isExpected = false;
    const process = await startServer(env, READY_MS);
    void process.exited.then(() => {
      if (!isExpected) endedByItself.push(process.log().slice(-1_000));
      countErrors(process, errors);
    });
    return process;
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    isExpected = true;
    await process.kill(signal);
  }

  let process = await begin(0);
  const { port } = process;
  const server: StormServer = {
    ...{ name, endedByItself, errors, refusedStarts: 0 },
    door: await openDoor(port, random, trouble),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    signal: (signal) => globalThis.process.kill(process.pid, signal),
    async start() {
      while (!isOver()) {
        const begun = await begin(port).catch(() => undefined);
        if (begun !== undefined) {
          process = begun;
          return;
        }
        server.refusedStarts += 1;
      }
    },
  };
  return server;
}

function countErrors(process: ServerProcess, errors: Map<string, number>): void {
  for (const { level, msg } of process.logLines()) {
    if (level !== 'error' && level !== 'fatal') continue;
    errors.set(msg, (errors.get(msg) ?? 0) + 1);
  }
}
