import { BrokenRule } from '../domain/errors.ts';

/** The SQLSTATE of a database error; undefined when it is something else. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  // No SQLSTATE begins with E, but EPIPE and its like have five letters too.
  return typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Whether an error has to do with the moment, not with what was written: a lost connection, a lock, a shutdown. */
export function passesByItself(error: unknown): boolean {
  // A bug of ours has no SQLSTATE either, and does not pass.
  if (error instanceof TypeError || error instanceof RangeError || error instanceof BrokenRule) return false;
  const state = sqlState(error);
  return state === undefined || /^(08|53|57|55|40|25)/.test(state);
}
