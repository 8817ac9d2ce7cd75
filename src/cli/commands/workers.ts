import { Command } from 'commander';
import type { WorkerEntry } from '../../../client/src/index.ts';
import { type Given, runs, withExamples, wordsOption } from '../given.ts';
import { showWorkers } from '../tables.ts';

type Status = WorkerEntry['status'];
// Not taken from the contract, which would bring all its schemas along and take longer to load than all else.
const STATUSES: Status[] = ['live', 'draining', 'gone'];

export function workersCommand(): Command {
  const command = new Command('workers')
    .description("List the workers: servers' own pools and remote ones, with what they offer and hold.")
    .addOption(
      wordsOption('--status <status>', 'only workers in one of these', STATUSES).default(
        ['live', 'draining'],
        'live,draining',
      ),
    );
  withExamples(command, [
    'holdfast workers',
    'holdfast workers --status gone',
    'holdfast workers --json | jq -r .data[].uses[]',
  ]);
  return runs(command, workers);
}

async function workers({ output, connect }: Given, { status }: { status: Status[] }): Promise<void> {
  const found: WorkerEntry[] = [];
  for await (const worker of connect().allWorkers({ status })) found.push(worker);
  if (output.json) return output.printJson({ data: found });
  if (found.length === 0) return output.note('no workers');
  output.print(showWorkers(output, found, Date.now()));
}
