/** What a measurement and the process that it is taken of say to each other. */

/** Graphs, many at once: one step, ten in a row, and one step, eight beside each other, one at the end. */
export type Graph = 'independent' | 'chain' | 'fan';

/** What is measured: the rate of a graph, or, `alone`, how long one chain takes when nothing else runs. */
export type Shape = Graph | 'alone';

export const GRAPHS: readonly Graph[] = ['independent', 'chain', 'fan'];
export const SHAPES: readonly Shape[] = [...GRAPHS, 'alone'];

/** How many jobs may come one at a time after the others. */
export const ALONE_AT_MOST = 10;

/** For each step of a job of this shape, the steps that it needs. */
export function needsOf(shape: Shape): number[][] {
  if (shape === 'independent') return [[]];
  if (shape === 'chain' || shape === 'alone')
    return Array.from({ length: 10 }, (_, step) => (step === 0 ? [] : [step - 1]));
  const middle = [1, 2, 3, 4, 5, 6, 7, 8];
  return [[], ...middle.map(() => [0]), middle];
}

/** What one measurement is to be taken of. */
export interface Task {
  shape: Shape;
  jobs: number;
  /** The contestant's own, empty database. */
  url: string;
  /** An empty folder of its own, removed afterwards. */
  folder: string;
  /** Which variant of the contestant, where there are several. */
  variant: string | null;
}

/** What was found when everything was over. */
export interface Verdict {
  /** Steps that ran, each counted as often as it did. */
  ran: number;
  /** What is wrong with it; empty when each step ran once, after its needs. */
  wrong: string[];
  /** Transactions that watching for the end took in the contestant's database; they are not the contestant's. */
  watched: number;
  /** Bytes that a database of its own wrote to its log of changes; null where it uses the common PostgreSQL. */
  logged: number | null;
}

/** One measurement, in a process of its own: the calls come in this order. */
export interface Contestant {
  /** Tables, registrations; not measured. */
  prepare(): Promise<void>;
  /** Stores all jobs, and lets none of them begin. */
  submit(): Promise<void>;
  /**
   * Calls `started` when whatever runs steps is about to look for the first, and resolves when the outcome of the last
   * step is stored; with the instant of the first step, in milliseconds since 1970, where that may have been earlier.
   */
  drain(started: () => void): Promise<number | undefined>;
  /** Submits one more job, of this number, and resolves when its last step has run. Absent: it cannot be asked. */
  alone?(job: number): Promise<void>;
  verify(): Promise<Verdict>;
  /** Closes every connection. */
  close(): Promise<void>;
  /** The process of a database of its own. */
  databasePid?: number;
}

export type Open = (task: Task) => Promise<Contestant>;

export type Phase = 'prepare' | 'submit' | 'drain' | 'alone' | 'verify' | 'close';

/** From the process of a contestant to the measurement; instants in milliseconds since 1970. */
export type Report =
  | { say: 'started'; at: number }
  | ({ say: 'done'; phase: Phase; from: number; to: number } & Told)
  | { say: 'failed'; phase: Phase; error: string };

/** What some phases tell besides. */
export interface Told {
  verdict?: Verdict;
  databasePid?: number;
  /** When the first step began. */
  first?: number;
  /** What each job took that came alone, in milliseconds. */
  times?: number[];
}
