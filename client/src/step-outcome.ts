import { StepError } from './errors.ts';

/** As many bytes of JSON as a step may give. */
const OUTPUT_BYTES = 256 * 1024;
const MESSAGE_LENGTH = 10_000;
const CODE_LENGTH = 100;
const DURATION = /^(\d+(\.\d+)?(d|h|m|s|ms))+$|^\d+$/;

/** How an attempt ended, as `POST /v1/claims/settle` takes it, without the id. */
export interface Outcome {
  kind: 'succeeded' | 'failed' | 'released';
  /** The fields, already as JSON: an output is written once, however often it is sent. */
  fields: string;
}

export const RELEASED: Outcome = { kind: 'released', fields: '"release":true' };

/** The outcome of an action that gave this. What cannot be kept fails the step, since another attempt would give it again. */
export function outcomeOf(output: unknown): Outcome {
  const json = writeJson(output ?? null);
  if (json === undefined) return invalidOutput('what the action returned cannot be written as JSON');
  const bytes = sizeOf(json);
  if (bytes > OUTPUT_BYTES)
    return invalidOutput(`the output is ${bytes} bytes of JSON, more than the ${OUTPUT_BYTES} that are kept`);
  return { kind: 'succeeded', fields: `"output":${json}` };
}

export function invalidOutput(message: string): Outcome {
  return outcomeOfError(new StepError(message, { code: 'output_invalid', retryable: false }));
}

/** The outcome of an action that threw this. */
export function outcomeOfError(thrown: unknown): Outcome {
  const { message, code, retryable, retryAfter, details } = readThrown(thrown);
  const kept = details === undefined ? undefined : writeJson(details);
  const error = {
    ...(typeof code === 'string' && code !== '' ? { code: code.slice(0, CODE_LENGTH) } : {}),
    message: message.slice(0, MESSAGE_LENGTH),
    ...(kept !== undefined && sizeOf(kept) <= OUTPUT_BYTES ? { details: JSON.parse(kept) as unknown } : {}),
  };
  const more = {
    ...(retryable === false ? { retryable } : {}),
    ...(isDuration(retryAfter) ? { retry_after: retryAfter } : {}),
  };
  return { kind: 'failed', fields: JSON.stringify({ error, ...more }).slice(1, -1) };
}

/** Whether somebody said it on purpose; by name, since an action may have another copy of this package. */
export function isStepError(thrown: unknown): thrown is StepError {
  return thrown instanceof Error && thrown.name === 'StepError';
}

function readThrown(thrown: unknown): Partial<StepError> & { message: string } {
  if (isStepError(thrown)) return thrown;
  if (thrown instanceof Error) return { message: thrown.message || thrown.name };
  return { message: typeof thrown === 'string' ? thrown : (writeJson(thrown) ?? String(thrown)) };
}

/** Undefined for what JSON has no words for. */
function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value) as string | undefined;
  } catch {
    return undefined;
  }
}

function sizeOf(json: string): number {
  // Most are far from the limit, whatever their characters are.
  return json.length * 3 <= OUTPUT_BYTES ? json.length : new TextEncoder().encode(json).length;
}

function isDuration(value: unknown): value is string | number {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0;
  return typeof value === 'string' && DURATION.test(value);
}
