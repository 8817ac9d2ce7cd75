/**
 * Every limit of Holdfast, in one place. Bytes are bytes of UTF-8 JSON or text, times are milliseconds,
 * unless a name says otherwise. A refusal names the limit it stands on.
 */
const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const LIMITS = {
  jobNameLength: 200,
  stepsPerJob: 10_000,
  needsPerJob: 100_000,
  labelsPerJob: 32,
  labelLength: 200,
  queueLength: 100,
  idempotencyKeyLength: 255,
  cancelReasonLength: 500,
  /** One `with`, one input, one output. */
  valueBytes: 256 * KIB,
  /** All outputs that one step's expressions read. */
  inputsBytes: 8 * MIB,
  expressionBytes: 4 * KIB,
  /** Of the expressions in one value, together: what is compiled, and evaluated, in one go. */
  expressionsPerValue: 1_000,
  expressionBytesPerValue: 32 * KIB,
  expressionsPerJob: 100_000,
  expressionBytesPerJob: 2 * MIB,
  submitBodyBytes: 16 * MIB,
  jobsPerBatch: 1_000,
  /** Steps of all jobs of a batch: what one transaction inserts in a few seconds. */
  stepsPerBatch: 100_000,
  needsPerBatch: 500_000,
  batchBodyBytes: 32 * MIB,
  bodyBytes: 1 * MIB,
  /** A YAML body, which is read slowly: a megabyte a second. */
  yamlBodyBytes: 2 * MIB,
  /** A TOML body: ten thousand steps are half of it. */
  tomlBodyBytes: 8 * MIB,
  /** The pieces that a YAML body is made of: a hundred for each step of the largest job. */
  yamlTokens: 1_000_000,
  /** YAML and TOML up to this are read at once, larger ones in a thread of their own. Characters. */
  readAtOnceBytes: 32 * KIB,
  readApartTime: 15 * SECOND,
  readApartMegabytes: 512,
  jsonDepth: 64,
  /** Values of a body, each item, each member and each bracket: a hundred for each step of the largest job. */
  bodyValues: 1_000_000,
  /** Keys of a body, the same ones counted once: objects of very many keys are what is slowest to read. */
  bodyKeys: 100_000,
  logBytesPerAttempt: 10 * MIB,
  logChunkBytes: 64 * KIB,
  /** What one request appends to a log. */
  logBodyBytes: 1 * MIB,
  /** How long log lines of a claim that ended are still taken. */
  logGrace: 10 * SECOND,
  maxAttempts: 100,
  maxLosses: 100,
  delay: 30 * DAY,
  /** The last year of a `run_at`: deadlines lie after it, and a fifth digit is written in more ways than one. */
  runAtYear: 9000,
  stepTimeout: 30 * DAY,
  jobTimeout: 365 * DAY,
  wait: 60 * SECOND,
  priority: 100,
  errorsPerProblem: 100,
  pageDefault: 50,
  pageMax: 500,
  cleanupDays: 3650,
  cleanupTime: 20 * SECOND,
  /** (queue, action) pairs looked at by one claim. */
  claimPairs: 128,
  /** Claims that one request may ask for, extend or settle. */
  claimsPerRequest: 1_000,
  claimRequestLength: 100,
  claimTtlMin: 1 * SECOND,
  claimTtlMax: 1 * HOUR,
  /** Claim requests that wait at the same time at one server. */
  claimsWaiting: 2_000,
  /** Outcomes of remote workers that wait to be written at one server, and the bytes of what they hold. */
  outcomesWaiting: 10_000,
  outcomesWaitingBytes: 64 * MIB,
  /** Claims whose `with`s together are larger come in several answers; the largest one alone may be. */
  claimAnswerBytes: 16 * MIB,
  /** Requests that wait for a connection to the database at one server; more are refused before they are read. */
  requestsWaiting: 1_000,
  /** Bodies that are in the memory of one server at the same time; those of workers have as much for themselves. */
  bodiesBytes: 48 * MIB,
  /** Steps of open jobs that a server remembers together, and the characters of a value that it keeps with them. */
  rememberedSteps: 50_000,
  rememberedValue: 1_000,
  /** Jobs of so many steps are read whole, to be remembered, and so many steps at once. */
  readWhole: 100,
  readWholeTogether: 2_000,
  /** Large bodies in YAML or TOML that wait to be read. */
  bodiesReadApart: 16,
  usesPerWorker: 100,
  queuesPerWorker: 100,
  slotsPerWorker: 10_000,
  workerNameLength: 200,
  workerVersionLength: 100,
  errorMessageLength: 10_000,
  /** A batch of outcomes. */
  settleBodyBytes: 32 * MIB,
  /** One output as JSON with what stands around it. */
  claimBodyBytes: 1 * MIB,
  /** Request line and headers of one request. */
  headerBytes: 16 * KIB,
  headerCount: 100,
  connections: 10_000,
  /** Past these a connection is still answered that there are too many. */
  connectionsRefused: 1_000,
  /** Redirects that one outbound request follows. */
  redirects: 5,
  /** From the lookup of a name to a connection that is ready, in TLS too. */
  outboundConnect: 10 * SECOND,
  /** Of the answer to an outbound request that failed. */
  errorBodyBytes: 4 * KIB,
} as const;

/** How long the server waits for the other side of a connection. Milliseconds. */
export const PATIENCE = {
  /** For the head of a request. */
  head: 15 * SECOND,
  /** For all of a request: the largest body over a slow line that keeps moving. */
  request: 10 * MINUTE,
  /** Without a byte in either direction, in the middle of a body or of an answer. */
  stall: 30 * SECOND,
  /** For the rest of a body that is answered before its end. */
  linger: 30 * SECOND,
  /** For the next request on a connection; longer than proxies keep theirs, so that they never use a closed one. */
  keepAlive: 72 * SECOND,
  /** How often heads and requests are looked at. */
  check: 5 * SECOND,
  /** For connections to end when the server stops. */
  close: 3 * SECOND,
} as const;

export type Patience = Readonly<Record<keyof typeof PATIENCE, number>>;

/** What holds where a definition is silent. Milliseconds. */
export const DEFAULTS = {
  queue: 'default',
  priority: 0,
  maxAttempts: 1,
  maxLosses: 5,
  backoff: 'exponential',
  retryDelay: 1 * SECOND,
  retryMaxDelay: 5 * MINUTE,
  retryJitter: true,
  stepTimeout: 24 * HOUR,
  jobTimeout: 30 * DAY,
} as const;

/** How names are spelt. */
export const NAMES = {
  /** A letter, digit or underscore first, so that a name never looks like an option. */
  step: /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/,
  action: /^[a-z0-9][a-z0-9._/-]{0,99}$/,
  queue: /^[A-Za-z0-9_][A-Za-z0-9._/-]{0,99}$/,
} as const;
