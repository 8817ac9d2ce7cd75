import { Command } from 'commander';
import { runs, timeoutOption, withExamples } from '../given.ts';
import { watchJob } from '../watch-job.ts';

export function watchCommand(): Command {
  const command = new Command('watch')
    .description('Show a job on its way; the exit code says how it ended. Ctrl-C leaves the job alone.')
    .argument('<id>', 'id of the job')
    .addOption(timeoutOption());
  withExamples(command, [
    'holdfast watch $JOB',
    'holdfast watch $JOB --timeout 1h && deploy',
    'holdfast watch $JOB --json',
  ]);
  return runs(command, async (given, { timeout }: { timeout?: number }, id: string) =>
    watchJob(given, id, timeout),
  );
}
