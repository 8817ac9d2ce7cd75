import type { Json, JsonObject } from '../json.ts';
import { LIMITS, NAMES } from '../limits.ts';
import { jsonBytes, pointerTo } from '../storable.ts';
import { SHORT_FORM } from './fields.ts';
import {
  collectProblems,
  describeValue,
  fieldOf,
  isObject,
  type Problems,
  readDuration,
  readFlag,
  readText,
  refuse,
  refuseUnknownFields,
  type Section,
} from './read.ts';
import { readRetry, type StatedRetry } from './retry.ts';

/** A step as the definition states it, before names are resolved and defaults filled in. */
export interface StatedStep {
  /** Where it stands: `/steps/3`, or empty in the short form, whose fields are the job's own. */
  pointer: string;
  /** Undefined, here and below: absent, or refused. */
  name: string | undefined;
  uses: string | undefined;
  queue: string | undefined;
  /** Names; null where an entry was refused. */
  needs: (string | null)[];
  enables: (string | null)[];
  if: string | null;
  /** Null when absent. */
  with: Json;
  timeout: number | undefined;
  retry: StatedRetry;
  continue_on_error: boolean;
}

export const QUEUE_RULE = 'a name of letters, digits and `. _ / -`, at most 100 characters';
const STEP_NAME_RULE = 'letters, digits, `_` and `-`, not `-` first, at most 63 characters';
const ACTION_RULE = 'the name of an action, such as "shell": a-z, 0-9 and `. _ / -`, at most 100 characters';

/** Reads the steps of a job; a job without `steps` is its own one step, called `main`. */
export function readSteps(job: Section): StatedStep[] {
  const steps = fieldOf(job, 'steps');
  if (steps === undefined) return readShortForm(job);
  for (const key of SHORT_FORM) {
    if (fieldOf(job, key) === undefined) continue;
    const instead = key === 'retry' ? 'put it into `defaults`' : 'put it into a step';
    refuse(job, key, `\`${key}\` is for a job without \`steps\`; ${instead}`, 'conflicting_fields');
  }
  if (!Array.isArray(steps)) {
    refuse(job, 'steps', `\`steps\` must be a list of steps; ${describeValue(steps)}`);
    return [];
  }
  if (steps.length === 0) refuse(job, 'steps', 'a job has at least one step', 'no_steps');
  if (steps.length > LIMITS.stepsPerJob) {
    const detail = `${steps.length} steps; a job has at most ${LIMITS.stepsPerJob}`;
    refuse(job, 'steps', detail, 'too_many_steps');
    return [];
  }
  return steps.map((step, ordinal) => readStep(step, `/steps/${ordinal}`, job.problems));
}

function readShortForm(job: Section): StatedStep[] {
  if (SHORT_FORM.every((key) => fieldOf(job, key) === undefined)) {
    refuse(job, 'steps', 'give the job `steps`, or `uses` for a job of one step', 'no_steps');
    return [];
  }
  // The job's own `timeout`, `queue` and `name` are read with the job.
  const own = SHORT_FORM.filter((key) => fieldOf(job, key) !== undefined);
  const fields: JsonObject = Object.fromEntries(own.map((key) => [key, job.fields[key] as Json]));
  return [readFields({ ...job, fields: { ...fields, name: 'main' } })];
}

function readStep(step: Json, pointer: string, problems: Problems): StatedStep {
  const section: Section = { fields: isObject(step) ? step : {}, pointer, problems };
  if (isObject(step)) {
    refuseUnknownFields(section, 'step');
    return readFields(section);
  }
  problems.add(pointer, 'invalid_value', `a step must be an object; ${describeValue(step)}`);
  // What an object without fields lacks would only be said on top.
  return readFields({ ...section, problems: collectProblems() });
}

function readFields(section: Section): StatedStep {
  const { fields, pointer, problems } = section;
  if (fieldOf(section, 'name') === undefined) {
    problems.add(pointer, 'missing_field', '`name` is missing: every step has one, unique within the job');
  }
  if (fieldOf(section, 'uses') === undefined) {
    problems.add(pointer, 'missing_field', '`uses` is missing: it names the action, such as "shell"');
  }
  return {
    pointer,
    name: readText(section, 'name', NAMES.step, STEP_NAME_RULE),
    uses: readText(section, 'uses', NAMES.action, ACTION_RULE),
    queue: readText(section, 'queue', NAMES.queue, QUEUE_RULE),
    needs: readNames(section, 'needs'),
    enables: readNames(section, 'enables'),
    if: readCondition(section),
    with: readValue(section, 'with'),
    timeout: readDuration(section, 'timeout', { max: LIMITS.stepTimeout }),
    retry: fields.retry === undefined ? NOTHING_STATED : readRetry(section),
    continue_on_error: readFlag(section, 'continue_on_error') ?? false,
  };
}

const NOTHING_STATED: StatedRetry = {
  max_attempts: undefined,
  max_losses: undefined,
  backoff: undefined,
  delay: undefined,
  max_delay: undefined,
  jitter: undefined,
};

function readNames(section: Section, key: 'needs' | 'enables'): (string | null)[] {
  const value = fieldOf(section, key);
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    const example = typeof value === 'string' ? JSON.stringify([value.slice(0, 63)]) : '["extract"]';
    refuse(section, key, `\`${key}\` must be a list of step names; write ${example}`);
    return [];
  }
  return value.map((name, index) => {
    if (typeof name === 'string') return name;
    const at = pointerTo(pointerTo(section.pointer, key), index);
    section.problems.add(at, 'invalid_value', `\`${key}\` must hold names of steps; ${describeValue(name)}`);
    return null;
  });
}

// `if: true` is what YAML makes of a condition switched on or off by hand.
function readCondition(section: Section): string | null {
  const value = fieldOf(section, 'if');
  if (value === undefined) return null;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return value;
  refuse(section, 'if', `\`if\` must be an expression; ${describeValue(value)}`);
  return null;
}

/** Reads a value that may be any JSON up to the limit of bytes; null when absent. */
export function readValue(section: Section, key: 'with' | 'input' | 'output'): Json {
  const value = fieldOf(section, key) ?? null;
  if (value === null) return null;
  const bytes = jsonBytes(value);
  if (bytes <= LIMITS.valueBytes) return value;
  refuse(section, key, `\`${key}\` is ${bytes} bytes of JSON; the most is ${LIMITS.valueBytes}`, 'too_large');
  return null;
}
