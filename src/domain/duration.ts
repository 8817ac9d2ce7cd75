/** How durations are written on the wire: `"30s"`, `"5m"`, `"1h30m"`, `"250ms"`, or whole seconds. */

export type ParsedDuration = { ok: true; ms: number } | { ok: false; message: string };

/** What a caller admits, in milliseconds, both ends included. Without it anything above zero is admitted. */
export interface DurationBounds {
  min?: number;
  max?: number;
}

const HOW = 'write "30s", "5m", "1h30m" or whole seconds';
/** A duration as text, units only; `(?=\d)` asks for at least one. */
export const DURATION_PATTERN = /^(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/**
 * Reads a duration: units `d h m s ms`, whole numbers, largest unit first; or whole seconds, as a number or as
 * the digits that a query string carries. Gives milliseconds, or one sentence that says what to write instead.
 */
export function parseDuration(value: string | number, bounds: DurationBounds = {}): ParsedDuration {
  const { min = 1, max = Number.MAX_SAFE_INTEGER } = bounds;
  const ms = typeof value === 'number' ? value * 1000 : readText(value);
  const shown = typeof value === 'number' ? String(value) : JSON.stringify(shorten(value));
  if (ms === null || (typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value))) {
    return { ok: false, message: `${shown} is not a duration; ${HOW}` };
  }
  if (ms < min) return { ok: false, message: `${shown} ${tooShort(min)}` };
  if (!(ms <= max)) return { ok: false, message: `${shown} is too long; the most is ${formatDuration(max)}` };
  return { ok: true, ms };
}

/** Writes milliseconds (not negative) as `parseDuration` reads them: `5400000` is `"1h30m"`, `0` is `"0s"`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  let text = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}

function readText(text: string): number | null {
  if (/^-?\d+$/.test(text)) return Number(text) * 1000;
  const match = DURATION_PATTERN.exec(text);
  if (match === null) return null;
  return UNITS.reduce((total, [, size], index) => total + Number(match[index + 1] ?? 0) * size, 0);
}

function tooShort(min: number): string {
  if (min === 0) return 'must not be negative';
  return min === 1 ? 'must be longer than zero' : `is too short; the least is ${formatDuration(min)}`;
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
