import type { JobState, StepState } from '../domain/moves/draft.ts';

/** A job with all its steps as this server last saw it committed. */
export interface RememberedJob {
  job: JobState;
  steps: Map<number, StepState>;
}

/**
 * What this server remembers of open jobs, so that it need not read them before each change. A memory is never more than
 * a guess: whatever is written because of it is written only if the job's version, read under its lock, is still the one
 * remembered.
 */
export interface RememberedJobs {
  /** Lends the memory to whoever changes the job: `keep` what comes of it, then say so by `back`, also when nothing did. */
  take(id: string): RememberedJob | undefined;
  /** What was taken is lent no more; what was not kept is forgotten. */
  back(ids: Iterable<string>): void;
  /** Whether somebody is changing the job by what is remembered of it. */
  isLent(id: string): boolean;
  /** Resolves when something comes back, or after `ms`. */
  somethingBack(ms: number): Promise<void>;
  /** What is remembered of the job, and is lent to nobody. */
  look(id: string): RememberedJob | undefined;
  forget(id: string): void;
  /** Remembers a job; `database` says of which run of which database it was read. */
  keep(remembered: RememberedJob, database: string): void;
  /** The run of the database that all memories are of; null while there are none. */
  database(): string | null;
  /** About what the database's clock shows now, in milliseconds since 1970; null while it was never seen. */
  now(): number | null;
  /** Takes note of what it showed a moment ago. */
  sawClock(ms: number): void;
}

/** Remembers jobs of so many steps together; those longest untouched are forgotten first. */
export function createRememberedJobs(mostSteps: number): RememberedJobs {
  const jobs = new Map<string, RememberedJob>();
  const lent = new Set<string>();
  let waiting: (() => void)[] = [];
  let steps = 0;
  let database: string | null = null;
  let clock: { shown: number; at: number } | null = null;

  const forget = (id: string) => {
    const remembered = jobs.get(id);
    if (remembered === undefined) return undefined;
    jobs.delete(id);
    steps -= remembered.steps.size;
    return remembered;
  };

  return {
    take(id) {
      const remembered = forget(id);
      if (remembered) lent.add(id);
      return remembered;
    },
    back(ids) {
      for (const id of ids) lent.delete(id);
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    isLent: (id) => lent.has(id),
    somethingBack(ms) {
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
    look: (id) => jobs.get(id),
    forget: (id) => void forget(id),
    keep(remembered, of) {
      // After a failover versions may be given once more, to something else.
      if (of !== database) {
        jobs.clear();
        steps = 0;
        database = of;
      }
      const { id } = remembered.job;
      forget(id);
      if (remembered.steps.size > mostSteps) return;
      jobs.set(id, remembered);
      steps += remembered.steps.size;
      for (const oldest of jobs.keys()) {
        if (steps <= mostSteps) break;
        forget(oldest);
      }
    },
    database: () => database,
    now: () => (clock === null ? null : clock.shown + performance.now() - clock.at),
    sawClock(ms) {
      clock = { shown: ms, at: performance.now() };
    },
  };
}
