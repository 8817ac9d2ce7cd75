import { type Static, Type } from 'typebox';
import { formatDuration, parseDuration } from '../domain/duration.ts';
import type { Problem } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Action, ActionOutcome } from './action.ts';
import { holdsExpression, withInvalid } from './check-with.ts';

const waitWith = Type.Object(
  {
    for: Type.Optional(
      Type.Union([Type.String(), Type.Integer()], {
        description: `"30s", "5m", "1h30m" or whole seconds, at most ${formatDuration(LIMITS.delay)}`,
      }),
    ),
    until: Type.Optional(
      Type.String({
        format: 'date-time',
        description:
          `an instant with offset (RFC 3339) at most ${formatDuration(LIMITS.delay)} ahead, ` +
          'like "2026-11-21T02:00:00Z"; one in the past is no wait',
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1, maxProperties: 1 },
);

/**
 * A durable timer that holds no slot. Its output says what was waited for: `{for_ms}` (milliseconds) for a
 * duration, `{until}` (the instant in UTC) for an instant.
 */
export const wait: Action = {
  uses: 'wait',
  summary: 'Waits for a duration or until an instant; survives restarts and holds no slot.',
  with: waitWith,
  instant: true,
  check(template, pointer) {
    if (template === null || typeof template !== 'object' || Array.isArray(template)) return [];
    return [...checkFor(template.for, `${pointer}/for`), ...checkUntil(template.until, `${pointer}/until`)];
  },
  async run(with_) {
    const { for: duration, until } = with_ as Static<typeof waitWith>;
    return duration === undefined ? waitUntil(until ?? '', Date.now()) : waitFor(duration);
  },
};

function checkFor(template: Json | undefined, pointer: string): Problem[] {
  const literal =
    typeof template === 'number' || (typeof template === 'string' && !holdsExpression(template));
  if (!literal) return [];
  const parsed = parseDuration(template, { max: LIMITS.delay });
  return parsed.ok ? [] : [{ pointer, code: 'invalid_duration', detail: `\`for\`: ${parsed.message}` }];
}

function checkUntil(template: Json | undefined, pointer: string): Problem[] {
  if (typeof template !== 'string' || holdsExpression(template) || parseInstant(template) !== null) return [];
  return [{ pointer, code: 'invalid_timestamp', detail: `\`until\`: ${notAnInstant(template)}` }];
}

function waitFor(duration: string | number): ActionOutcome {
  const parsed = parseDuration(duration, { max: LIMITS.delay });
  if (!parsed.ok) return withInvalid(`\`for\`: ${parsed.message}`);
  return { kind: 'parked', for_ms: parsed.ms, output: { for_ms: parsed.ms } };
}

function waitUntil(until: string, now: number): ActionOutcome {
  const instant = parseInstant(until);
  if (instant === null) return withInvalid(`\`until\`: ${notAnInstant(until)}`);
  if (instant > now + LIMITS.delay) {
    return withInvalid(
      `\`until\`: ${until} is more than ${formatDuration(LIMITS.delay)} ahead, which is the most`,
    );
  }
  const utc = new Date(instant).toISOString();
  const output = { until: utc };
  return instant <= now ? { kind: 'succeeded', output } : { kind: 'parked', until: utc, output };
}

const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Milliseconds since 1970, or null. The day is checked apart: `Date` turns 30 February into 2 March. */
function parseInstant(text: string): number | null {
  const match = INSTANT.exec(text);
  if (match === null) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const date = new Date(Date.UTC(2000, month - 1, day));
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const instant = Date.parse(text.toUpperCase());
  return Number.isNaN(instant) ? null : instant;
}

function notAnInstant(text: string): string {
  const shown = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
  return `${shown} is no instant with offset; write "2026-11-21T02:00:00Z" or "2026-11-21T03:00:00+01:00"`;
}
