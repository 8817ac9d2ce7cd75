import type { Client, LogOptions, LogPart } from './client.ts';
import { isTerminal } from './follow-job.ts';
import { allPages, jobPath } from './job-calls.ts';
import { sleep } from './timing.ts';
import type { Transport } from './transport.ts';
import type { StepDetail, StepList } from './wire.ts';

/** How long to wait for more of a log: at first, and at most. */
const PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 1_000;

type StepCalls = Pick<Client, 'steps' | 'allSteps' | 'step' | 'log' | 'followLog' | 'jobLog'>;

export function stepCalls({ send }: Transport): StepCalls {
  const steps: Client['steps'] = async (id, query = {}, { signal } = {}) => {
    const call = { method: 'GET', path: `${jobPath(id)}/steps`, query, repeatable: true, signal } as const;
    return (await send(call)).json<StepList>();
  };
  const step: Client['step'] = async (id, name, { signal } = {}) =>
    (await send({ method: 'GET', path: stepPath(id, name), repeatable: true, signal })).json<StepDetail>();
  const log: Client['log'] = async (id, name, { attempt, offset = 0, signal } = {}) => {
    const path = `${stepPath(id, name)}/log`;
    const answer = await send({ method: 'GET', path, query: { attempt, offset }, repeatable: true, signal });
    const { headers, bytes } = answer;
    return {
      bytes,
      text: answer.text(),
      attempt: Number(headers.get('holdfast-attempt')),
      ended: headers.get('holdfast-attempt-ended') === 'true',
      nextOffset: Number(headers.get('holdfast-next-offset')),
    };
  };
  return {
    steps,
    step,
    log,
    allSteps: (id, query, options) => allPages((cursor) => steps(id, { ...query, ...cursor }, options)),
    followLog: (id, name, options) => followLog({ step, log }, id, name, options),
    jobLog: async (id, { signal } = {}) =>
      (await send({ method: 'GET', path: `${jobPath(id)}/log`, repeatable: true, signal })).text(),
  };
}

function stepPath(id: string, name: string): string {
  return `${jobPath(id)}/steps/${encodeURIComponent(name)}`;
}

async function* followLog(
  { step, log }: Pick<StepCalls, 'step' | 'log'>,
  id: string,
  name: string,
  options: LogOptions = {},
): AsyncIterableIterator<LogPart> {
  const { attempt: only, signal } = options;
  const at = { attempt: only, offset: options.offset ?? 0 };
  let decoder = new TextDecoder();
  let pause = PAUSE_MS;
  for (;;) {
    const part = await log(id, name, { ...definedOnly(at), ...definedOnly({ signal }) });
    if (part.attempt > 0) at.attempt = part.attempt;
    if (part.bytes.length > 0) {
      at.offset = part.nextOffset;
      pause = PAUSE_MS;
      // A character may lie across two parts.
      yield { ...part, text: decoder.decode(part.bytes, { stream: true }) };
      continue;
    }
    if (part.ended && only !== undefined) return;
    if (part.ended || part.attempt === 0) {
      const { status, attempt } = await step(id, name, definedOnly({ signal }));
      if (attempt > part.attempt && part.attempt > 0) {
        decoder = new TextDecoder();
        Object.assign(at, { attempt: part.attempt + 1, offset: 0 });
        continue;
      }
      // What was written between the two answers is still to be read.
      if (attempt === part.attempt && (isTerminal(status) || status === 'skipped')) return;
    }
    await sleep(pause, signal);
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS);
  }
}

function definedOnly<Options extends object>(
  options: Options,
): { [Key in keyof Options]?: NonNullable<Options[Key]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
