import { Socket } from 'node:net';
import pg from 'pg';
import type { Logger } from 'pino';
import { addressOf, type DatabaseAddress } from './connection.ts';

const CONNECT_MS = 5_000;
const LONGEST_PAUSE_MS = 2_000;
const GOODBYE_MS = 500;

export interface SessionOptions {
  connection: DatabaseAddress;
  /** A plain SQL name. */
  channel: string;
  /** The session is asked this often whether it lives, and each answer must be there within the same time. */
  heartbeatMs: number;
  onNotification: (payload: string) => void;
  /** Called whenever it begins to listen: what was sent before that was missed. */
  onListening: () => void;
  log: Logger;
}

/** A session of the database that listens on one channel and speaks there. */
export interface WakeUpSession {
  /** Sends to whoever listens, this session too. Rejects when there is no session, or when it is lost meanwhile. */
  notify(payload: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Keeps such a session for as long as the server lives: one that ends, or no longer answers, is replaced, with jitter,
 * for ever. Returns after the first attempt, whether it succeeded or not.
 */
export async function keepSession(options: SessionOptions): Promise<WakeUpSession> {
  const { log, heartbeatMs } = options;
  let current: Session | null = null;
  let closed = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;

  const lose = (session: Session, error: Error) => {
    if (session !== current) return;
    current = null;
    session.destroy();
    if (closed) return;
    // Once an outage: those that follow until it has been well for a while say nothing new.
    if (failures === 0) log.warn({ err: error }, 'no hints from and to other servers; trying again');
    const pause = Math.min(LONGEST_PAUSE_MS, 100 * 2 ** Math.min(failures, 10));
    failures += 1;
    clearTimeout(timer);
    timer = setTimeout(open, pause * (0.5 + Math.random()));
  };
  const open = async () => {
    const session = createSession(options, lose);
    current = session;
    try {
      await session.start();
    } catch (error) {
      return lose(session, error as Error);
    }
    if (session !== current || closed) return;
    options.onListening();
    beat(session);
  };
  const beat = (session: Session) => {
    timer = setTimeout(async () => {
      try {
        await session.ask('select 1');
      } catch (error) {
        return lose(session, error as Error);
      }
      if (session !== current || closed) return;
      if (failures > 0) log.info('hints from and to other servers are back');
      failures = 0;
      beat(session);
    }, heartbeatMs);
  };

  await open();
  return {
    async notify(payload) {
      const session = current;
      if (session === null) throw new Error('there is no session to send by');
      try {
        await session.ask('select pg_notify($1, $2)', [options.channel, payload]);
      } catch (error) {
        lose(session, error as Error);
        throw error;
      }
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await current?.end();
    },
  };
}

type Session = ReturnType<typeof createSession>;

/** One session, from its connection to its end; `onLost` is told when it ends by itself. */
function createSession(options: SessionOptions, onLost: (session: Session, error: Error) => void) {
  // Ours, so that it can be cut in whatever state the session is: a half-open one never says goodbye.
  const socket = new Socket();
  const client = new pg.Client({
    ...addressOf(options.connection),
    application_name: 'holdfast wake-ups',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    stream: () => socket,
  });
  let turn: Promise<unknown> = Promise.resolve();
  const session = {
    async start() {
      await client.connect();
      await session.ask(`${SESSION_SETTINGS}; listen ${options.channel}`);
    },
    /** One statement at a time, each with a deadline. */
    ask(text: string, values?: string[]): Promise<unknown> {
      const answer = turn.then(() => inTime(client.query(text, values), options.heartbeatMs));
      turn = answer.catch(() => undefined);
      return answer;
    },
    destroy: () => void socket.destroy(),
    async end() {
      await inTime(client.end(), GOODBYE_MS).catch(() => undefined);
      socket.destroy();
    },
  };
  client.on('notification', ({ payload = '' }) => options.onNotification(payload));
  client.on('error', (error) => onLost(session, error));
  client.on('end', () => onLost(session, new Error('the session ended')));
  return session;
}

// Nobody needs a hint after a crash, so its commit does not wait for the disk. The keepalives are for the database:
// a listener that vanished without a word would hold up its queue of notifications.
const SESSION_SETTINGS = `
  set synchronous_commit = off; set idle_session_timeout = 0;
  set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2`;

function inTime<Result>(answer: Promise<Result>, ms: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    // A process that had no turn for long runs its timers before it reads what came meanwhile.
    const late = () => setImmediate(() => reject(new Error(`the database did not answer within ${ms} ms`)));
    const timer = setTimeout(late, ms);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
