import { queryProblem } from './validation.ts';

// Offsets to 15:59, which is where the database ends; on earth they are at most 14:00.
const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(?:[Zz]|[+\- ](?:0\d|1[0-5]):[0-5]\d)$/;

/**
 * Checks an instant of a query: RFC 3339 with an offset, and a day that exists. Gives it as text that the database
 * reads, since a Date would cut microseconds off. Throws `invalid_query`.
 */
export function readInstant(name: string, value: string): string {
  const parts = RFC_3339.exec(value)
    ?.slice(1, 7)
    .map((part) => Number(part ?? 0));
  // A plus sign that was not written as %2B arrives as a space.
  const text = value.replace(/ (\d{2}:\d{2})$/, '+$1');
  if (parts !== undefined && exists(parts) && !Number.isNaN(Date.parse(text))) return text;
  const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  const detail = `\`${name}\` must be an instant with an offset, as in 2026-11-20T08:00:00Z, not "${shown}"`;
  throw queryProblem(name, 'invalid_instant', detail);
}

function exists(parts: number[]): boolean {
  const [year, month, day, hour, minute, second] = parts as [number, number, number, number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  return (
    year > 0 &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  );
}
