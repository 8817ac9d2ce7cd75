import type { Json } from '../json.ts';
import { DEFAULTS, LIMITS, NAMES } from '../limits.ts';
import { pointerTo } from '../storable.ts';
import { PLACE_NAMES } from './fields.ts';
import {
  describeValue,
  fieldOf,
  isObject,
  readDuration,
  readFlag,
  readInteger,
  readSection,
  readText,
  refuse,
  type Section,
} from './read.ts';
import { BUILT_IN_RETRY, inheritRetry, type Retry, readRetry } from './retry.ts';
import { QUEUE_RULE, readValue } from './steps.ts';

/** What a definition says of the job as a whole, defaults filled in; times in milliseconds. */
export interface JobHead {
  name: string;
  priority: number;
  labels: Record<string, string>;
  /** Where steps wait that name no queue. */
  queue: string;
  input: Json;
  run_at: Date | null;
  delay_ms: number | null;
  timeout_ms: number;
  max_parallel: number | null;
  fail_fast: boolean;
  output: Json;
  /** What a step inherits. */
  defaults: { timeout: number; retry: Retry };
}

export function readHead(job: Section): JobHead {
  const defaults = readSection(job, 'defaults', 'defaults');
  const when = { run_at: readRunAt(job), delay_ms: readDelay(job) };
  if (fieldOf(job, 'run_at') !== undefined && fieldOf(job, 'delay') !== undefined) {
    refuse(job, 'delay', `${PLACE_NAMES.job} has \`run_at\` or \`delay\`, not both`, 'conflicting_fields');
  }
  return {
    name: readName(job),
    priority: readInteger(job, 'priority', -LIMITS.priority, LIMITS.priority) ?? DEFAULTS.priority,
    labels: readLabels(job),
    queue: readText(job, 'queue', NAMES.queue, QUEUE_RULE) ?? DEFAULTS.queue,
    input: readValue(job, 'input'),
    ...when,
    timeout_ms: readDuration(job, 'timeout', { max: LIMITS.jobTimeout }) ?? DEFAULTS.jobTimeout,
    max_parallel: readInteger(job, 'max_parallel', 1, LIMITS.stepsPerJob) ?? null,
    fail_fast: readFlag(job, 'fail_fast') ?? false,
    output: readValue(job, 'output'),
    defaults: {
      timeout: readDuration(defaults, 'timeout', { max: LIMITS.stepTimeout }) ?? DEFAULTS.stepTimeout,
      retry: inheritRetry(readRetry(defaults), BUILT_IN_RETRY),
    },
  };
}

function readName(job: Section): string {
  const name = fieldOf(job, 'name');
  if (name === undefined) {
    job.problems.add(job.pointer, 'missing_field', '`name` is missing: every job has one, to find it by');
    return '';
  }
  // A character may take two units, so length alone is only right for the quick answer.
  if (typeof name === 'string' && name.length <= 2 * LIMITS.jobNameLength && /\S/.test(name)) {
    if (name.length <= LIMITS.jobNameLength || [...name].length <= LIMITS.jobNameLength) return name;
  }
  refuse(
    job,
    'name',
    `\`name\` must be a text of 1 to ${LIMITS.jobNameLength} characters; ${describeValue(name)}`,
  );
  return '';
}

/** The field `labels` of a job, or of what else `owner` names. */
export function readLabels(job: Section, owner: string = PLACE_NAMES.job): Record<string, string> {
  const labels = fieldOf(job, 'labels');
  if (labels === undefined) return {};
  if (!isObject(labels)) {
    refuse(
      job,
      'labels',
      `\`labels\` must be an object of texts, {"team": "data"}; ${describeValue(labels)}`,
    );
    return {};
  }
  const entries = Object.entries(labels);
  if (entries.length > LIMITS.labelsPerJob) {
    const detail = `${entries.length} labels; ${owner} has at most ${LIMITS.labelsPerJob}`;
    refuse(job, 'labels', detail, 'too_many_labels');
    return {};
  }
  const read: [string, string][] = [];
  for (const [key, value] of entries) {
    const fault = findLabelFault(key, value);
    if (fault !== null) job.problems.add(pointerTo('/labels', key), 'invalid_value', fault);
    else read.push([key, value as string]);
  }
  return Object.fromEntries(read);
}

function findLabelFault(key: string, value: Json): string | null {
  const most = LIMITS.labelLength;
  if (key === '' || key.length > most) return `the name of a label has 1 to ${most} characters`;
  // `?label=team:data` is split at the first colon.
  if (key.includes(':'))
    return 'the name of a label has no `:`, which parts name and value in `?label=team:data`';
  if (typeof value !== 'string') return `a label must be a text; ${describeValue(value)}`;
  return value.length > most ? `a label has at most ${most} characters; this one has ${value.length}` : null;
}

function readDelay(job: Section): number | null {
  // No delay and a delay of nothing are the same job.
  return readDuration(job, 'delay', { min: 0, max: LIMITS.delay }) || null;
}

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)[Tt]\d\d:\d\d:\d\d(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)?$/;
const EXAMPLE = '"2026-11-21T02:00:00Z" or "2026-11-21T02:00:00+01:00"';

/** RFC 3339 with an offset, to the millisecond. */
function readRunAt(job: Section): Date | null {
  const value = fieldOf(job, 'run_at');
  if (value === undefined) return null;
  const match = typeof value === 'string' ? INSTANT.exec(value) : null;
  const instant = match === null ? null : toInstant(match);
  if (instant !== null && match?.[4] !== undefined) return instant;
  const missing = instant === null ? '' : ', and this one has no offset from UTC';
  const wanted = `\`run_at\` must be an instant such as ${EXAMPLE}${missing}`;
  refuse(job, 'run_at', `${wanted}; ${describeValue(value)}`, 'invalid_time');
  return null;
}

function toInstant([text, year, month, day, offset]: RegExpExecArray): Date | null {
  const instant = new Date((offset === undefined ? `${text}Z` : text).toUpperCase());
  // Date takes the 31st of February for a day in March, and 24:00 for the next day.
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number.isNaN(instant.getTime()) || Number(day) > lastDay || text.slice(11, 13) === '24') return null;
  return instant.getUTCFullYear() < 1970 || instant.getUTCFullYear() > LIMITS.runAtYear ? null : instant;
}
