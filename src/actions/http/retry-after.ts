import { LIMITS } from '../../domain/limits.ts';

const SECONDS = /^\d{1,15}$/;
/** The form that HTTP asks for, and the two old ones that are still to be understood. */
const DATE =
  /^((Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT|[A-Z][a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d [\d:]{8} GMT|(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4})$/;

/**
 * Milliseconds that a `Retry-After` asks to wait from `now` (milliseconds since 1970): seconds or an HTTP date. Never
 * negative, at most the longest delay of a retry; null when it is absent or says neither.
 */
export function retryAfter(header: string | string[] | undefined, now: number): number | null {
  const text = [header ?? ''].flat()[0]?.trim() ?? '';
  const ms = SECONDS.test(text) ? Number(text) * 1000 : fromDate(text, now);
  return ms === null ? null : Math.min(Math.max(ms, 0), LIMITS.delay);
}

function fromDate(text: string, now: number): number | null {
  if (!DATE.test(text)) return null;
  // The oldest form names no zone, and means the same one.
  const instant = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(instant) ? null : instant - now;
}
