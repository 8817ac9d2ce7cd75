import { Command } from 'commander';
import type { Step } from '../../../client/src/index.ts';
import { STEP_STATUSES, type StepStatus } from '../../domain/step-status.ts';
import { type Given, readCount, runs, withExamples, wordsOption } from '../given.ts';
import { showStep } from '../job-text.ts';
import { showSteps } from '../tables.ts';

interface Options {
  status?: StepStatus[];
  limit: number;
}

const PAGE = 500;

export function stepsCommand(): Command {
  const command = new Command('steps')
    .description(
      'List the steps of a job, each with what holds it or what went wrong; with STEP show that one.',
    )
    .argument('<id>', 'id of the job')
    .argument('[step]', 'name of a step: show what it was given, what it gave, and its attempts')
    .addOption(wordsOption('--status <status>', 'only steps in one of these', STEP_STATUSES))
    .option('--limit <number>', 'at most so many', readCount, 100);
  withExamples(command, [
    'holdfast steps $JOB',
    'holdfast steps $JOB --status failed',
    'holdfast steps $JOB extract --json | jq .output',
  ]);
  return runs(command, steps);
}

async function steps(
  { output, connect }: Given,
  { status, limit }: Options,
  id: string,
  name: string | undefined,
): Promise<void> {
  if (name !== undefined) {
    const step = await connect().step(id, name);
    return output.json ? output.printJson(step) : output.print(showStep(output, step));
  }
  const query = { limit: Math.min(limit, PAGE), ...(status === undefined ? {} : { status }) };
  const found: Step[] = [];
  for await (const step of connect().allSteps(id, query)) {
    found.push(step);
    if (found.length === limit) break;
  }
  if (output.json) return output.printJson({ data: found });
  if (found.length === 0) return output.note('no steps');
  output.print(showSteps(output, found, Date.now()));
  if (found.length === limit) output.note(`the first ${limit}; --limit for more`);
}
