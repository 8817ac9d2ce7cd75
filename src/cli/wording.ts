import { stripVTControlCharacters } from 'node:util';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Milliseconds for people: `340 ms`, `2.1 s`, `1 m 05 s`, `3 h 12 m`, `2 d 4 h`. */
export function showDuration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  // Rounded first, or 59,960 ms would be "60.0 s".
  if (Math.round(ms / 100) < 600) return `${(ms / SECOND).toFixed(1)} s`;
  const seconds = Math.round(ms / SECOND) * SECOND;
  if (seconds < HOUR) return two(seconds, MINUTE, 'm', SECOND, 's');
  const minutes = Math.round(ms / MINUTE) * MINUTE;
  if (minutes < DAY) return two(minutes, HOUR, 'h', MINUTE, 'm');
  return two(Math.round(ms / HOUR) * HOUR, DAY, 'd', HOUR, 'h');
}

function two(ms: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((ms % large) / small);
  const padded = large === DAY ? String(rest) : String(rest).padStart(2, '0');
  return `${Math.floor(ms / large)} ${largeUnit} ${padded} ${smallUnit}`;
}

/** An estimate, which is no more exact than a second, and may have been too low. */
export function showRemaining(ms: number): string {
  return ms < SECOND
    ? 'under 1 s'
    : `about ${showDuration(Math.round(ms / SECOND) * SECOND).replace('.0 s', ' s')}`;
}

/** How long ago an instant was, or how soon it is: `3 m ago`, `in 2 h`; `-` for null. */
export function showAge(instant: string | null, now: number): string {
  if (instant === null) return '-';
  const ms = now - Date.parse(instant);
  // Clocks differ a little: what has just happened is not said to lie ahead.
  if (Math.abs(ms) < SECOND) return 'now';
  return ms > 0 ? `${coarse(ms)} ago` : `in ${coarse(-ms)}`;
}

function coarse(ms: number): string {
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} m`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

/** 0 to 1 as whole per cent. 100 % is kept for what is over: 0.999 is 99 %. */
export function showProgress(progress: number): string {
  return `${Math.floor(progress * 100 + 1e-9)} %`;
}

/** One or many: `1 step`, `2 steps`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/**
 * What users named, on one line and without what a terminal would obey: a name with escape sequences in it must not
 * move the cursor, rename the window or colour what follows.
 */
export function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(BIDIRECTIONAL, '')
    .replaceAll(/\p{Cc}+/gu, ' ');
}

/** Characters that turn the direction of what follows: a name must not be read as another. */
const BIDIRECTIONAL = /[\u202a-\u202e\u2066-\u2069]/gu;

/**
 * What a step wrote, for a terminal: colours, lines and tabs, and nothing else that it would obey. A log must not rename
 * the window, fill the clipboard, ask the terminal for an answer or move the cursor.
 */
export function forTerminal(text: string): string {
  return text.replaceAll(COLOUR_OR_CONTROL, (_all, colour?: string) => colour ?? '');
}

const ESCAPE = String.fromCharCode(27);
const COLOUR_OR_CONTROL = new RegExp(
  `(${ESCAPE}\\[[\\d;:]*m)|[^\\P{Cc}\\n\\r\\t]|${BIDIRECTIONAL.source}`,
  'gu',
);
