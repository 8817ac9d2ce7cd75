import { Command } from 'commander';
import type { Job } from '../../../client/src/index.ts';
import { JOB_STATUSES, type JobStatus } from '../../domain/job-status.ts';
import { type Given, gather, readCount, runs, withExamples, wordsOption } from '../given.ts';
import { showJob } from '../job-text.ts';
import { stepsToName } from '../live-display.ts';
import { showJobs } from '../tables.ts';

interface Options {
  status?: JobStatus[];
  name?: string;
  label?: string[];
  limit: number;
}

const PAGE = 500;

export function jobsCommand(): Command {
  const command = new Command('jobs')
    .description('List jobs, newest first.')
    .addOption(wordsOption('--status <status>', 'only jobs in one of these', JOB_STATUSES))
    .option('--name <name>', 'only jobs of exactly this name')
    .option('--label <key:value>', 'only jobs with this label; repeat it for more', gather)
    .option('--limit <number>', 'at most so many', readCount, 20);
  withExamples(command, [
    'holdfast jobs',
    'holdfast jobs --status failed,cancelled --limit 100',
    'holdfast jobs --label team:data --json | jq -r .data[].id',
  ]);
  return runs(command, jobs);
}

async function jobs({ output, connect }: Given, { status, name, label, limit }: Options): Promise<void> {
  const query = {
    limit: Math.min(limit, PAGE),
    ...(status === undefined ? {} : { status }),
    ...(name === undefined ? {} : { name }),
    ...(label === undefined ? {} : { label }),
  };
  const found: Job[] = [];
  for await (const job of connect().listAll(query)) {
    found.push(job);
    if (found.length === limit) break;
  }
  if (output.json) return output.printJson({ data: found });
  if (found.length === 0) return output.note('no jobs');
  output.print(showJobs(output, found, Date.now()));
  if (found.length === limit) output.note(output.paint('dim', `the newest ${limit}; --limit for more`));
}

export function jobCommand(): Command {
  const command = new Command('job')
    .description('Show one job: where it is, what failed, what it gave.')
    .argument('<id>', 'id of the job');
  withExamples(command, ['holdfast job $JOB', 'holdfast job $JOB --json | jq .steps']);
  return runs(command, async ({ output, connect }, _options, id: string) => {
    const client = connect();
    const job = await client.get(id);
    if (output.json) output.printJson(job);
    else output.print(showJob(output, job, await stepsToName(client, job), Date.now()));
  });
}
