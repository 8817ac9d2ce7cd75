import type { Logger } from 'pino';
import type { DatabaseAddress } from './connection.ts';
import { encodeHints, type Hints, isEmpty, mergeHints, noHints, readHints } from './wake-up-hints.ts';
import { keepSession } from './wake-up-session.ts';
import { createWakeUps, type WakeUps } from './wake-ups.ts';

export const WAKE_UP_CHANNEL = 'holdfast_wake_ups';

// The database sends notifications one transaction at a time, so a busy server speaks fifty times a second at most.
const SPACING_MS = 20;
const HEARTBEAT_MS = 2_000;
const LOOK_MS = 500;
// However many servers speak: each of these rings costs a few statements, and may well be for somebody else.
const READY_MS = 20;
const DUE_MS = 250;
const ANY_JOB_MS = 250;

/** The hints of a server that shares its database with others. */
export interface WakeUpExchange {
  /** What is said here is heard in this server and in all others; what others say is heard here. */
  wakeUps: WakeUps;
  /** Sends what is left and closes the session; from then on hints stay inside the server. */
  stop(): Promise<void>;
}

/**
 * Makes hints cross to the other servers of a database, by NOTIFY on a session of its own, after the commit: never
 * inside the engine's transactions, whose commits it would slow down to a half. Hints that come while one is under way
 * are merged into the next. What is lost is lost: whoever listens also polls.
 *
 * `hasOthers` tells whether another server lives on this database; while none does, nothing is sent. `serverId` names
 * the sender. Works also while the database is away, as soon as it is back.
 */
export async function startWakeUpExchange(options: {
  connection: DatabaseAddress;
  serverId: string;
  hasOthers: () => Promise<boolean>;
  log: Logger;
  heartbeatMs?: number;
}): Promise<WakeUpExchange> {
  const { connection, serverId, hasOthers, log, heartbeatMs = HEARTBEAT_MS } = options;
  const local = createWakeUps();
  const bells = createBells(local);
  const others = await watchOthers(hasOthers);
  const outbox = createOutbox(async (hints) => {
    if (others.live()) await session.notify(encodeHints(serverId, hints));
  });
  const session = await keepSession({
    connection,
    channel: WAKE_UP_CHANNEL,
    heartbeatMs,
    log,
    onNotification(payload) {
      const { from, hints } = readHints(payload);
      if (from !== serverId) bells.ring(hints);
    },
    onListening() {
      bells.ring({ ready: true, due: true, jobs: 'any' });
      outbox.flush();
    },
  });
  const tell = (hints: Partial<Hints>) => {
    if (others.live()) outbox.add({ ...noHints(), ...hints });
  };
  return {
    wakeUps: crossing(local, tell),
    async stop() {
      await outbox.stop();
      others.stop();
      bells.stop();
      await session.close();
    },
  };
}

/** Hints that ring here at once, and elsewhere by `tell`. */
function crossing(local: WakeUps, tell: (hints: Partial<Hints>) => void): WakeUps {
  return {
    ...local,
    jobsChanged(ids, after) {
      const jobs = new Set(ids);
      local.jobsChanged(jobs, after);
      if (jobs.size > 0) tell({ jobs });
    },
    anyJobChanged() {
      local.anyJobChanged();
      tell({ jobs: 'any' });
    },
    stepsReady() {
      local.stepsReady();
      tell({ ready: true });
    },
    somethingDue() {
      local.somethingDue();
      tell({ due: true });
    },
  };
}

interface Outbox {
  add(hints: Hints): void;
  /** Sends what is there; also after sending had failed. */
  flush(): void;
  /** Resolves once what is there has been sent, or could not be. */
  stop(): Promise<void>;
}

/** Gathers hints and sends them: at once when it is quiet, else merged, one at a time and with a pause between. */
function createOutbox(send: (hints: Hints) => Promise<void>): Outbox {
  let waiting = noHints();
  let sending: Promise<void> | null = null;
  let sentAt = Number.NEGATIVE_INFINITY;

  const sendNext = async () => {
    const pause = sentAt + SPACING_MS - performance.now();
    // Not before this turn ends: one commit gives several hints.
    await new Promise<void>((resolve) => (pause > 0 ? setTimeout(resolve, pause) : setImmediate(resolve)));
    const hints = waiting;
    waiting = noHints();
    sentAt = performance.now();
    try {
      await send(hints);
      return true;
    } catch {
      // Kept for the next session, which flushes as soon as it listens.
      mergeHints(waiting, hints);
      return false;
    }
  };
  const sendAll = async () => {
    while (!isEmpty(waiting) && (await sendNext()));
    // In the turn that found nothing more: a hint that comes after it must begin anew.
    sending = null;
  };
  const flush = () => {
    if (sending === null && !isEmpty(waiting)) sending = sendAll();
  };
  return {
    add(hints) {
      mergeHints(waiting, hints);
      flush();
    },
    flush,
    async stop() {
      flush();
      await sending;
    },
  };
}

/** What rings here when others spoke: named jobs at once, the rest as often as this server can bear. */
function createBells(local: WakeUps) {
  const ready = atMostEvery(READY_MS, local.stepsReady);
  const due = atMostEvery(DUE_MS, local.somethingDue);
  const anyJob = atMostEvery(ANY_JOB_MS, local.anyJobChanged);
  return {
    ring(hints: Hints): void {
      if (hints.jobs === 'any') anyJob.ring();
      else local.jobsChanged(hints.jobs);
      if (hints.ready) ready.ring();
      if (hints.due) due.ring();
    },
    stop(): void {
      for (const bell of [ready, due, anyJob]) bell.stop();
    },
  };
}

/** Rings at once, then not again for `ms`, and after that once for all that came meanwhile. */
function atMostEvery(ms: number, ring: () => void) {
  let timer: NodeJS.Timeout | undefined;
  let again = false;
  let stopped = false;
  const ringNow = () => {
    again = false;
    ring();
    timer = setTimeout(() => {
      timer = undefined;
      if (again) ringNow();
    }, ms);
  };
  return {
    ring(): void {
      if (stopped) return;
      if (timer === undefined) ringNow();
      else again = true;
    },
    stop(): void {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Looks again and again whether there is anybody to speak to. */
async function watchOthers(hasOthers: () => Promise<boolean>) {
  let live = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async () => {
    try {
      live = await hasOthers();
    } catch {
      // The database is away: whoever was there may still be.
    }
    if (!stopped) timer = setTimeout(look, LOOK_MS * (0.9 + Math.random() * 0.2));
  };
  await look();
  return {
    live: () => live && !stopped,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
