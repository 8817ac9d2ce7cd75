import { EventEmitter } from 'node:events';
import type { JobStatus } from '../domain/job-status.ts';

/** How a job is after a change. */
export interface ChangedJob {
  status: JobStatus;
  version: number;
}

/**
 * Hints that something may be worth a look. A hint may be lost or be wrong: everything that listens also polls, more
 * slowly, so hints make things quick and polling makes them certain.
 */
export interface WakeUps {
  /** Something visible changed in these jobs; `after` tells how they are now, where that is known. */
  jobsChanged(ids: Iterable<string>, after?: (id: string) => ChangedJob | undefined): void;
  /** Something visible may have changed in any job. */
  anyJobChanged(): void;
  /** Steps may be ready to be claimed. */
  stepsReady(): void;
  /** Steps or jobs wait for a decision, or something falls due sooner than expected. */
  somethingDue(): void;
  /** Calls back on changes of one job, named or not, until the returned function is called; with how it is, if known. */
  onJobChanged(id: string, listener: (after?: ChangedJob) => void): () => void;
  /** Calls back on changes of any job, with their ids. */
  onJobsChanged(listener: (ids: string[]) => void): () => void;
  /** Calls back when nobody can say which jobs changed. */
  onAnyJobChanged(listener: () => void): () => void;
  onStepsReady(listener: () => void): () => void;
  onSomethingDue(listener: () => void): () => void;
}

/** The hints of one server; they do not leave the process. `wake-up-exchange.ts` makes them cross to others. */
export function createWakeUps(): WakeUps {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  const on = (event: string, listener: (...args: never[]) => void) => {
    emitter.on(event, listener as () => void);
    return () => void emitter.off(event, listener as () => void);
  };
  return {
    jobsChanged(ids, after) {
      const list = [...ids];
      if (list.length === 0) return;
      for (const id of list) emitter.emit(`job:${id}`, after?.(id));
      emitter.emit('jobs', list);
    },
    anyJobChanged() {
      for (const name of emitter.eventNames()) if (String(name).startsWith('job:')) emitter.emit(name);
      emitter.emit('any');
    },
    stepsReady: () => void emitter.emit('ready'),
    somethingDue: () => void emitter.emit('due'),
    onJobChanged: (id, listener) => on(`job:${id}`, listener),
    onJobsChanged: (listener) => on('jobs', listener),
    onAnyJobChanged: (listener) => on('any', listener),
    onStepsReady: (listener) => on('ready', listener),
    onSomethingDue: (listener) => on('due', listener),
  };
}
