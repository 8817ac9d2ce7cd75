import { Command } from 'commander';
import type { CleanupReport } from '../../../client/src/index.ts';
import { type Given, readCount, runs, withExamples, wordsOption } from '../given.ts';

const TERMINAL = ['succeeded', 'failed', 'cancelled'] as const;

interface Options {
  days: number;
  status?: (typeof TERMINAL)[number][];
  dryRun?: true;
}

export function cleanupCommand(): Command {
  const command = new Command('cleanup')
    .description('Delete jobs that ended long enough ago, with their steps and logs.')
    .requiredOption('--days <number>', 'keep what ended in the last so many days', readCount)
    .addOption(wordsOption('--status <status>', 'only jobs in one of these', TERMINAL))
    .option('--dry-run', 'only say how many there are');
  withExamples(command, [
    'holdfast cleanup --days 30 --dry-run',
    'holdfast cleanup --days 30',
    'holdfast cleanup --days 7 --status succeeded',
  ]);
  return runs(command, cleanup);
}

async function cleanup({ output, connect }: Given, { days, status, dryRun }: Options): Promise<void> {
  const query = { days, dry_run: dryRun === true, ...(status === undefined ? {} : { status }) };
  const client = connect();
  let deleted = 0;
  let report: CleanupReport;
  // One call deletes as much as it can in its time: until all is gone, or nothing of it can be.
  do {
    report = await client.cleanup(query);
    deleted += report.deleted_count;
  } while (report.more && report.deleted_count > 0 && !dryRun);
  const whole = { ...report, deleted_count: deleted };
  if (output.json) return output.printJson(whole);
  output.print(
    deleted === report.deleted_count
      ? report.message
      : `Deleted ${deleted} jobs that ended more than ${days} days ago.`,
  );
}
