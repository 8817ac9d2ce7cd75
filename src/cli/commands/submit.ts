import { Command, Option } from 'commander';
import type { Job } from '../../../client/src/index.ts';
import { FORMATS, type Format, readDefinitionFile } from '../definition-file.ts';
import { exitOfJob } from '../exit-codes.ts';
import { type Given, LONG_PATIENCE_MS, runs, timeoutOption, withExamples } from '../given.ts';
import { showJob } from '../job-text.ts';
import { stepsToName } from '../live-display.ts';
import { showEntries, UsageError } from '../trouble.ts';
import { untilStopped, watchJob } from '../watch-job.ts';

interface Options {
  wait?: true;
  watch?: true;
  idempotencyKey?: string;
  format?: Format;
  timeout?: number;
}

/** Which format a definition is in, where its file's name does not say. */
export function formatOption(): Option {
  return new Option('--format <format>', 'what FILE holds, if its name does not say').choices(FORMATS);
}

export function submitCommand(): Command {
  const command = new Command('submit')
    .description('Submit a job from a file in JSON, YAML or TOML, and print its id.')
    .argument('<file>', 'the definition; `-` reads it from standard input')
    .option('--wait', 'wait for the end of the job and print it; the exit code says how it ended')
    .addOption(new Option('--watch', 'show the job on its way, then as --wait').conflicts('wait'))
    .option('--idempotency-key <key>', 'the same key and file again give the same job')
    .addOption(formatOption())
    .addOption(timeoutOption());
  withExamples(command, [
    'holdfast submit job.yaml',
    'holdfast submit job.yaml --watch',
    'JOB=$(holdfast submit job.json) && holdfast log $JOB --follow',
    'make-job | holdfast submit - --wait --timeout 10m --json | jq .status',
    'holdfast submit report.toml --idempotency-key report-2026-11-20',
  ]);
  return runs(command, submit);
}

async function submit(given: Given, options: Options, file: string): Promise<number | undefined> {
  const { output } = given;
  if (options.timeout !== undefined && !options.wait && !options.watch)
    throw new UsageError('--timeout is for --wait and --watch');
  const { body, contentType } = await readDefinitionFile(file, options.format);
  const { idempotencyKey } = options;
  const job = await given
    .connect()
    .submit(body, { contentType, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) });
  if (job.warnings !== undefined && !output.json)
    output.note(['warning:', ...showEntries(job.warnings, file)].join('\n'));
  if (options.watch) return await watchJob(given, job.id, options.timeout);
  if (options.wait) return await waitFor(given, job.id, options.timeout);
  if (output.json) output.printJson(job);
  else output.print(job.id);
  return undefined;
}

async function waitFor(given: Given, id: string, timeoutMs: number | undefined): Promise<number> {
  const { output } = given;
  const client = given.connect({ patienceMs: LONG_PATIENCE_MS });
  const show = async (job: Job) => {
    if (output.json) output.printJson(job);
    else output.print(showJob(output, job, await stepsToName(client, job), Date.now()));
  };
  return await untilStopped({ id, timeoutMs }, async (signal) => {
    const job = await client.wait(id, { signal });
    await show(job);
    return exitOfJob(job.status) as number;
  });
}
