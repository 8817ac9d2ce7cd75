import type { FastifyReply } from 'fastify';
import type { Store } from '../database/store.ts';
import { type JobVersion, readJobVersions } from '../repositories/read-jobs.ts';

// Wake-ups are hints that may be lost: underneath, we look by ourselves.
const POLL_MS = 500;

export interface JobWaits {
  /**
   * Waits until `enough` says so of the job's status and version, the time is over, the client has gone, the job is
   * gone, or the server stops. Says nothing: the caller reads the job and answers with how it is.
   */
  until(wait: {
    id: string;
    ms: number;
    reply: FastifyReply;
    enough: (job: JobVersion) => boolean;
  }): Promise<void>;
  /** Ends all waits, now and from now on: the server stops. */
  end(): void;
}

export function createJobWaits(store: Store): JobWaits {
  let stopping = false;
  const bells = new Set<() => void>();
  const look = lookTogether((ids) => readJobVersions(store.db, ids));
  return {
    async until({ id, ms, reply, enough }) {
      const deadline = performance.now() + ms;
      const bell = createBell();
      bells.add(bell.ring);
      // Listening starts before the first look, so that nothing falls in between.
      let isEnough = false;
      const stopListening = store.wakeUps.onJobChanged(id, (after) => {
        // Most changes of a busy job are not what is waited for: those cost no look. What this server has just committed
        // needs none either.
        isEnough ||= after !== undefined && enough(after);
        if (after === undefined || isEnough) bell.ring();
      });
      // The reply's, not the request's: that one closes as soon as the body is read.
      reply.raw.on('close', bell.ring);
      try {
        while (!stopping && !isEnough && !reply.raw.destroyed) {
          const job = await look(id);
          const left = deadline - performance.now();
          if (job === undefined || enough(job) || left <= 0) return;
          await bell.rung(Math.min(POLL_MS, left));
        }
      } finally {
        bells.delete(bell.ring);
        stopListening();
        reply.raw.off('close', bell.ring);
      }
    },
    end() {
      stopping = true;
      for (const ring of bells) ring();
    },
  };
}

/**
 * Looks things up, all that are asked for while a look is under way by one more after it: thousands who wait cost as many
 * looks as a few.
 */
export function lookTogether<Found>(
  find: (ids: string[]) => Promise<Map<string, Found>>,
): (id: string) => Promise<Found | undefined> {
  let asked = new Set<string>();
  let next: Promise<Map<string, Found>> | null = null;
  let last: Promise<unknown> = Promise.resolve();
  const begin = async () => {
    await last.catch(() => {});
    // A turn of the event loop is time enough for others to join.
    await new Promise(setImmediate);
    const ids = [...asked];
    asked = new Set();
    next = null;
    return find(ids);
  };
  return async (id) => {
    asked.add(id);
    if (next === null) {
      next = begin();
      last = next;
    }
    return (await next).get(id);
  };
}

// Remembers that it rang while nobody listened.
function createBell() {
  let rang = false;
  let wake: () => void = () => {};
  return {
    ring() {
      rang = true;
      wake();
    },
    async rung(ms: number): Promise<void> {
      if (!rang) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rang = false;
    },
  };
}
