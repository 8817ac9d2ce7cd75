import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { type ProgressReport, reportProgress } from '../operations/report-progress.ts';
import { type Loop, startLoop } from './loop.ts';

// A report moves the job's version, so it may not come more often than this a step.
const INTERVAL_MS = 1000;
// Of one statement.
const BATCH = 500;
// How often a report finds its job held by somebody else before it is given up; the next one will come.
const TRIES = 5;

/** What remote workers report of the progress of their steps, on its way to the database. */
export interface RemoteProgress {
  /** Takes one report, 0 to 1; of several for one claim the latest counts. */
  report(report: ProgressReport): void;
  /** Writes what came in since the last time. */
  write(store: Store): Promise<void>;
}

/** Gathers reports, latest wins, so that a worker may report as often as it likes. */
export function gatherRemoteProgress(): RemoteProgress {
  let waiting = new Map<string, { report: ProgressReport; tries: number }>();
  return {
    report(report) {
      waiting.set(report.claim_id, { report, tries: 0 });
    },
    async write(store) {
      const batch = waiting;
      waiting = new Map();
      const reports = [...batch.values()].map(({ report }) => report);
      for (let from = 0; from < reports.length; from += BATCH) {
        const left = await reportProgress(store, reports.slice(from, from + BATCH));
        for (const report of left) {
          const tries = (batch.get(report.claim_id)?.tries ?? 0) + 1;
          if (tries < TRIES && !waiting.has(report.claim_id)) waiting.set(report.claim_id, { report, tries });
        }
      }
    },
  };
}

/** Writes what was gathered about once a second. */
export function startRemoteProgress(store: Store, log: Logger, gathered: RemoteProgress): Loop {
  return startLoop({
    name: 'progress',
    intervalMs: INTERVAL_MS,
    log,
    pass: async () => {
      await gathered.write(store);
      return undefined;
    },
  });
}
