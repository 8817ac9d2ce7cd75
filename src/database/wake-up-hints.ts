/** What servers tell each other, gathered over a moment. */
export interface Hints {
  /** Steps may be ready to be claimed. */
  ready: boolean;
  /** Steps or jobs wait for a decision, or something falls due sooner than expected. */
  due: boolean;
  /** Jobs in which something changed; 'any' when they are too many to name. */
  jobs: Set<string> | 'any';
}

// A payload must stay below 8000 bytes: 39 for each id in quotes, and less than 150 for what is around them.
const MOST_NAMED = 200;

export function noHints(): Hints {
  return { ready: false, due: false, jobs: new Set() };
}

export function isEmpty({ ready, due, jobs }: Hints): boolean {
  return !ready && !due && jobs !== 'any' && jobs.size === 0;
}

/** Adds hints to others that have not been sent yet. */
export function mergeHints(into: Hints, more: Hints): void {
  into.ready ||= more.ready;
  into.due ||= more.due;
  if (into.jobs === 'any' || more.jobs === 'any') into.jobs = 'any';
  else {
    for (const id of more.jobs) into.jobs.add(id);
    if (into.jobs.size > MOST_NAMED) into.jobs = 'any';
  }
}

/** The payload of a notification. */
export function encodeHints(from: string, { ready, due, jobs }: Hints): string {
  return JSON.stringify({
    from,
    ...(ready && { ready }),
    ...(due && { due }),
    ...(jobs === 'any' ? { jobs } : jobs.size > 0 && { jobs: [...jobs] }),
  });
}

/** Reads a payload. One that this release cannot read may mean anything: a needless look costs less than a late one. */
export function readHints(payload: string): { from: string | null; hints: Hints } {
  try {
    const { from, ready = false, due = false, jobs = [] } = JSON.parse(payload);
    if (typeof from === 'string' && typeof ready === 'boolean' && typeof due === 'boolean') {
      return { from, hints: { ready, due, jobs: jobs === 'any' ? jobs : new Set<string>(jobs) } };
    }
  } catch {
    // Not ours, or of a release to come.
  }
  return { from: null, hints: { ready: true, due: true, jobs: 'any' } };
}
