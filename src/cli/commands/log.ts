import { Command } from 'commander';
import { followJob, followStep, writeLog } from '../follow-log.ts';
import { type Given, LONG_PATIENCE_MS, readCount, runs, timeoutOption, withExamples } from '../given.ts';
import { UsageError } from '../trouble.ts';
import { untilStopped } from '../watch-job.ts';

interface Options {
  follow?: true;
  attempt?: number;
  timeout?: number;
}

export function logCommand(): Command {
  const command = new Command('log')
    .description(
      'Print what a step wrote; without STEP what all steps wrote, each line with the name of its step.',
    )
    .argument('<id>', 'id of the job')
    .argument('[step]', 'name of the step')
    .option('-f, --follow', 'go on as more is written, until the step (or the job) is over')
    .option('--attempt <number>', 'of this attempt instead of the latest', readCount)
    .addOption(timeoutOption());
  withExamples(command, [
    'holdfast log $JOB',
    'holdfast log $JOB extract --follow',
    'holdfast log $JOB extract --attempt 1 | grep -i error',
  ]);
  return runs(command, log);
}

async function log(given: Given, options: Options, id: string, step: string | undefined): Promise<void> {
  const { follow, attempt, timeout } = options;
  if (attempt !== undefined && step === undefined)
    throw new UsageError('--attempt is of one step: name it after the id');
  if (timeout !== undefined && !follow) throw new UsageError('--timeout is for --follow');
  if (!follow) return await printLog(given, { id, step, attempt });
  const client = given.connect({ patienceMs: LONG_PATIENCE_MS });
  await untilStopped({ id, timeoutMs: timeout, what: 'still writes' }, (signal) =>
    step === undefined
      ? followJob(given.output, client, { id, signal })
      : followStep(given.output, client, { id, step, attempt, signal }),
  );
}

async function printLog(
  { output, connect }: Given,
  { id, step, attempt }: { id: string; step: string | undefined; attempt: number | undefined },
): Promise<void> {
  const client = connect();
  if (step === undefined) {
    const text = await client.jobLog(id);
    return output.json ? output.printJson({ job_id: id, text }) : writeLog(output, text);
  }
  const part = await client.log(id, step, attempt === undefined ? {} : { attempt });
  if (!output.json) return writeLog(output, part.bytes);
  output.printJson({ job_id: id, step, attempt: part.attempt, text: part.text, ended: part.ended });
}
