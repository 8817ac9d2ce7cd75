import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, Step } from '../../client/src/index.ts';
import type { Output } from './output.ts';
import { forTerminal } from './wording.ts';

const STEPS_FOLLOWED = 500;
// Between looks for steps that have started; a job of many short steps changes all the time.
const PAUSE_MS = 200;

/** Writes the log of one step as it comes, until the step (or the attempt that was asked for) is over. */
export async function followStep(
  output: Output,
  client: Client,
  {
    id,
    step,
    attempt,
    signal,
  }: { id: string; step: string; attempt?: number | undefined; signal: AbortSignal },
): Promise<void> {
  const decoder = new TextDecoder();
  const options = attempt === undefined ? { signal } : { signal, attempt };
  for await (const part of client.followLog(id, step, options)) {
    if (!output.json) writeLog(output, part.bytes, decoder);
    else output.printJsonLine({ step, attempt: part.attempt, text: part.text, next_offset: part.nextOffset });
  }
}

/** Writes a part of a log: into a file or a pipe as it is, to a terminal without what that would obey. */
export function writeLog(output: Output, part: Uint8Array | string, decoder = new TextDecoder()): void {
  if (!output.isTerminal) return output.write(part);
  output.write(forTerminal(typeof part === 'string' ? part : decoder.decode(part, { stream: true })));
}

/** Writes the logs of all steps of a job as they come, each line with the name of its step, until the job is over. */
export async function followJob(
  output: Output,
  client: Client,
  { id, signal }: { id: string; signal: AbortSignal },
): Promise<void> {
  const followed = new Map<string, Promise<void>>();
  const failed = new AbortController();
  const any = AbortSignal.any([signal, failed.signal]);
  let warned = false;
  for await (const { steps } of client.watch(id, { includeSteps: true, signal: any })) {
    const { data = [], total } = steps;
    if (total > STEPS_FOLLOWED && !warned)
      output.note(`the job has ${total} steps; only the first ${STEPS_FOLLOWED} are followed`);
    warned ||= total > STEPS_FOLLOWED;
    const width = Math.min(20, Math.max(...data.map(({ name }) => name.length)));
    for (const step of data.filter(({ attempt, name }) => attempt > 0 && !followed.has(name))) {
      const follow = output.json
        ? followStep(output, client, { id, step: step.name, signal: any })
        : followLines(output, client, { id, step, width, signal: any });
      // One that fails ends the whole at once, by the next answer that is waited for.
      followed.set(step.name, follow);
      follow.catch((error) => failed.abort(error));
    }
    await sleep(PAUSE_MS, undefined, { signal: any }).catch(() => any.throwIfAborted());
  }
  await Promise.all(followed.values());
}

async function followLines(
  output: Output,
  client: Client,
  { id, step, width, signal }: { id: string; step: Step; width: number; signal: AbortSignal },
): Promise<void> {
  let rest = '';
  let attempt = 0;
  const label = () => (attempt > 1 ? `${step.name}#${attempt}` : step.name).padEnd(width);
  const shown = (line: string) => (output.isTerminal ? forTerminal(line) : line);
  const decoder = new TextDecoder();
  for await (const part of client.followLog(id, step.name, { signal })) {
    if (part.attempt !== attempt && rest !== '') {
      output.print(`${label()} | ${shown(rest)}`);
      rest = '';
    }
    attempt = part.attempt;
    // Lines of several steps come in between, so only whole ones are written.
    const lines = (rest + decoder.decode(part.bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) output.print(`${label()} | ${shown(line)}`);
  }
  if (rest !== '') output.print(`${label()} | ${shown(rest)}`);
}
