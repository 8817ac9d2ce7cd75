import { readFileSync } from 'node:fs';
import type { ActionContext, ActionOutcome } from '../../src/actions/action.ts';
import { createCatalogue } from '../../src/actions/catalogue.ts';
import type { Json } from '../../src/domain/json.ts';
import { createOutbound } from '../../src/outbound/outbound.ts';

export interface StartedStep {
  outcome: Promise<ActionOutcome>;
  /** What the log holds so far. */
  log(): string;
  abort(): void;
}

const CLAIM = { id: 'claim-1', job_id: 'job-1', step: 'main', attempt: 2, retry_round: 0 };

/** Starts a `shell` step as the server would, with `SHELL_ENV` and the server's environment as given. */
export function startShell(
  with_: Json,
  options: {
    shellEnv?: string[];
    environment?: Record<string, string | undefined>;
    onLog?: ActionContext['log'];
  } = {},
): StartedStep {
  const { shellEnv = [], environment = process.env } = options;
  const outbound = createOutbound({ allow: [], userAgent: 'holdfast/test' });
  const shell = createCatalogue({ actions: ['shell'], shellEnv, environment, outbound }).get('shell');
  if (shell === undefined) throw new Error('shell is not on');
  const controller = new AbortController();
  let log = '';
  const collect: ActionContext['log'] = (chunk) => {
    log += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
  };
  const outcome = shell.run(with_, {
    signal: controller.signal,
    log: options.onLog ?? collect,
    progress() {},
    claim: CLAIM,
  });
  return { outcome, log: () => log, abort: () => controller.abort() };
}

/** Runs a script to its end; gives its outcome and its whole log. */
export async function runShell(
  with_: Json,
  options: Parameters<typeof startShell>[1] = {},
): Promise<{ outcome: ActionOutcome; log: string }> {
  const step = startShell(with_, options);
  return { outcome: await step.outcome, log: step.log() };
}

/** The output of a script that has to succeed. */
export async function outputOf(
  with_: Json,
  options: Parameters<typeof startShell>[1] = {},
): Promise<{ exit_code: number; stdout: string; json: Json }> {
  const { outcome } = await runShell(with_, options);
  if (outcome.kind !== 'succeeded') throw new Error(`the step did not succeed: ${JSON.stringify(outcome)}`);
  return outcome.output as { exit_code: number; stdout: string; json: Json };
}

/** The error of a script that has to fail. */
export async function failureOf(with_: Json): Promise<Extract<ActionOutcome, { kind: 'failed' }>> {
  const { outcome } = await runShell(with_);
  if (outcome.kind !== 'failed') throw new Error(`the step did not fail: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** The `stdout` of an outcome, and how large its whole output is. */
export function stdoutOf(outcome: ActionOutcome): { stdout: string; json: Json; bytes: number } {
  if (outcome.kind !== 'succeeded') throw new Error(`the step did not succeed: ${JSON.stringify(outcome)}`);
  const output = outcome.output as { stdout: string; json: Json };
  return { stdout: output.stdout, json: output.json, bytes: Buffer.byteLength(JSON.stringify(output)) };
}

/** Whether a process runs; one that has ended and was not waited for does not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^\) [ZX]/.test(stat.slice(stat.lastIndexOf(')')));
  } catch {
    return false;
  }
}

/** The numbers that a script wrote as `name=123`. */
export function pidsIn(text: string): number[] {
  return [...text.matchAll(/=(\d+)$/gm)].map((match) => Number(match[1]));
}
