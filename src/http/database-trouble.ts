const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
// Cancelled by a timeout; lock not available; a deadlock; idle for too long; read-only, as a standby is, or one whose
// disk is full; the server stops, crashed or starts.
const SQL_STATES = new Set(['57014', '55P03', '40P01', '40001', '25P03', '25006', '57P01', '57P02', '57P03']);
const MESSAGES = [
  'connection terminated',
  'timeout exceeded when trying to connect',
  'client has encountered a connection error',
  'cannot use a pool after calling end on the pool',
  'driver has already been destroyed',
];

/** Whether an error says that the database cannot be reached or is overloaded, so that the same request may pass later. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  const { code, syscall, message, severity } = error as Record<string, unknown>;
  if (typeof code === 'string') {
    if (severity !== undefined) return SQL_STATES.has(code) || /^(08|53)/.test(code);
    if (SYSTEM_CODES.has(code) && syscall !== 'open') return true;
  }
  const text = typeof message === 'string' ? message.toLowerCase() : '';
  return MESSAGES.some((known) => text.includes(known));
}

const DISK_FULL = '53100';

/** What to say to whoever asked meanwhile. */
export function describeTrouble(error: unknown): string {
  if ((error as { code?: unknown }).code === DISK_FULL)
    return 'the disk of the database is full, so nothing new is taken until there is room; try again then';
  return 'the database cannot be reached; try again in a second';
}
