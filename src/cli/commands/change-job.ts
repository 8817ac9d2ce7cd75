import { Command } from 'commander';
import type { Client, Job } from '../../../client/src/index.ts';
import { type Given, runs, withExamples } from '../given.ts';
import { paintStatus } from '../output.ts';
import { plain } from '../wording.ts';

/** `cancel`, `pause`, `resume` and `retry`: each changes one job, and prints how it then is. */
export function changeCommands(): Command[] {
  const cancel = new Command('cancel')
    .description('Cancel a job: at once, also what runs.')
    .argument('<id>', 'id of the job')
    .option('--reason <text>', 'why; shown with the job');
  withExamples(cancel, ['holdfast cancel $JOB', 'holdfast cancel $JOB --reason "wrong input"']);
  return [
    runs(cancel, async (given, { reason }: { reason?: string }, id: string) =>
      print(given, await given.connect().cancel(id, reason)),
    ),
    simple('pause', 'Pause a job: what runs ends, nothing else starts.', (client, id) => client.pause(id)),
    simple('resume', 'Let a paused job go on.', (client, id) => client.resume(id)),
    simple(
      'retry',
      'Run again what failed, was cancelled or was skipped, and everything below it.',
      (client, id) => client.retry(id),
    ),
  ];
}

function simple(
  name: string,
  description: string,
  change: (client: Client, id: string) => Promise<Job>,
): Command {
  const command = new Command(name).description(description).argument('<id>', 'id of the job');
  withExamples(command, [`holdfast ${name} $JOB`]);
  return runs(command, async (given, _options, id: string) =>
    print(given, await change(given.connect(), id)),
  );
}

function print({ output }: Given, job: Job): void {
  if (output.json) output.printJson(job);
  else output.print(`${job.id}  ${paintStatus(output, job.status)}  ${plain(job.name)}`);
}
