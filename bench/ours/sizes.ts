/** How much each section does. */
export interface Sizes {
  name: string;
  /** How often what is short is done. */
  tries: number;
  /** Ten-step jobs that a new server runs before anything is measured, twice. */
  warmUp: number;
  /** Ten-step jobs of one try. */
  jobs: number;
  /** Jobs of one step, at once. */
  single: number;
  /** Steps of one large job. */
  giant: number;
  /** Ten-step jobs through remote workers, of one try. */
  remoteJobs: number;
  workers: readonly number[];
  batches: readonly number[];
  /** How many one after the other on an idle system. */
  idle: number;
  /** Seconds of steady load, of one try. */
  steadySeconds: number;
  /** Jobs that come at the same moment. */
  together: readonly number[];
  /** Steps that have succeeded, and steps that are ready for nobody, in full tables. */
  finished: number;
  unserved: number;
  /** Points of the growth curves. */
  jobSizes: readonly number[];
  /** Steps of all jobs together at each point of the curve of job sizes. */
  jobSizeSteps: number;
  backlogs: readonly number[];
  histories: readonly number[];
  /** Ten-step jobs in the tables that are read, and calls of each kind. */
  readJobs: number;
  reads: number;
  /** Seconds for which an idle server is watched. */
  idleSeconds: number;
}

const USUAL: Sizes = {
  name: 'usual',
  tries: 3,
  warmUp: 200,
  jobs: 1_000,
  single: 10_000,
  giant: 10_000,
  remoteJobs: 300,
  workers: [1, 4],
  batches: [1, 20, 100],
  idle: 100,
  steadySeconds: 5,
  together: [10, 100, 1_000],
  finished: 200_000,
  unserved: 20_000,
  jobSizes: [10, 100, 1_000, 10_000],
  jobSizeSteps: 10_000,
  backlogs: [0, 10_000, 100_000],
  histories: [0, 20_000, 100_000],
  readJobs: 20_000,
  reads: 200,
  idleSeconds: 5,
};

export const SIZES = {
  quick: {
    ...USUAL,
    name: 'quick',
    tries: 1,
    jobs: 200,
    single: 2_000,
    giant: 2_000,
    remoteJobs: 100,
    workers: [1],
    batches: [1, 100],
    idle: 20,
    steadySeconds: 2,
    together: [10, 100],
    finished: 20_000,
    unserved: 2_000,
    jobSizes: [10, 100, 1_000],
    jobSizeSteps: 2_000,
    backlogs: [0, 10_000],
    histories: [0, 20_000],
    readJobs: 2_000,
    reads: 50,
    idleSeconds: 2,
  },
  usual: USUAL,
  full: {
    ...USUAL,
    name: 'full',
    single: 100_000,
    finished: 1_000_000,
    unserved: 100_000,
    histories: [0, 100_000, 1_000_000],
    readJobs: 1_000_000,
    steadySeconds: 10,
  },
} as const satisfies Record<string, Sizes>;
