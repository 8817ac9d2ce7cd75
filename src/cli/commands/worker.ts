import { hostname } from 'node:os';
import { basename, resolve } from 'node:path';
import { Command } from 'commander';
import type { WorkerEvent } from '../../../client/src/index.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { type FolderAction, openActionFolder } from '../action-folder.ts';
import { createFolderWorkers, type FolderWorkers } from '../folder-workers.ts';
import { type Given, gatherList, readCount, runs, withExamples } from '../given.ts';
import type { Output } from '../output.ts';
import { UsageError } from '../trouble.ts';
import { count, plain } from '../wording.ts';

interface Options {
  name?: string;
  queues?: string[];
  concurrency: number;
  verbose?: true;
}

const CONCURRENCY = 4;
const GRACE_MS = 10_000;
const LEFT_MS = 1000;

export function workerCommand(): Command {
  const command = new Command('worker')
    .description(
      'Work for a server: every file in FOLDER is an action, also one that is dropped in while it runs.',
    )
    .argument('<folder>', 'holds *.ts, *.mts, *.js, *.mjs and *.cjs files')
    .option(
      '--name <name>',
      'how the worker is called in `holdfast workers`; the host and the folder by default',
    )
    .option('--queues <queues>', 'take steps from these queues only, with commas', gatherList)
    .option('--concurrency <number>', 'how many steps run at once', readCount, CONCURRENCY)
    .option('--verbose', 'tell also of each step');
  withExamples(command, [
    'holdfast worker ./actions',
    "echo 'export default ({ input }) => `Hello ${input.name}`' > ./actions/greet.js",
    'holdfast worker ./actions --server http://one.example:3000,http://two.example:3000 --concurrency 16 --queues media',
  ]);
  return runs(command, work);
}

async function work({ output, servers, connect }: Given, options: Options, folder: string): Promise<void> {
  // An address that is none is told before anything starts.
  connect();
  const say = reporter(output);
  const workers = createFolderWorkers({
    servers,
    name: options.name ?? `${hostname()}:${basename(resolve(folder))}`,
    version: packageJson.version,
    queues: options.queues,
    concurrency: options.concurrency,
    onEvent: (event) => (options.verbose || event.level !== 'debug') && say(event),
  });
  const opened = await openActionFolder(folder, {
    onActions: (actions) => {
      say({ level: 'info', event: 'actions', message: tellActions(folder, actions) });
      workers.serve(actions);
    },
    onTrouble: (file, why) => say({ level: 'error', event: 'not_loaded', message: `${file}: ${why}` }),
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new UsageError(`there is no folder ${folder}`);
    throw error.code === 'ENOTDIR' ? new UsageError(`${folder} is no folder`) : error;
  });
  try {
    await untilTold(workers, say);
  } finally {
    opened.close();
    // Code of somebody else may have left a timer or a connection that would keep the process.
    setTimeout(() => process.exit(), LEFT_MS).unref();
  }
}

function tellActions(folder: string, actions: FolderAction[]): string {
  if (actions.length === 0) return `no action in ${folder} yet; drop a file in`;
  return `${count(actions.length, 'action')}: ${actions.map(({ uses }) => uses).join(', ')}`;
}

/** Until a signal or an order of the server; then what runs may end, until a second signal. */
async function untilTold(workers: FolderWorkers, say: (event: WorkerEvent) => void): Promise<void> {
  const told = Promise.withResolvers<void>();
  let signals = 0;
  let stopped = Promise.resolve();
  const onSignal = () => {
    signals += 1;
    const graceMs = signals === 1 ? GRACE_MS : 0;
    if (signals === 1)
      say({ level: 'info', event: 'stopping', message: 'stopping; a second signal stops at once' });
    stopped = workers.stop(graceMs);
    stopped.then(told.resolve, told.reject);
  };
  // Code of somebody else runs here: what it forgot to catch should not take the steps of others along.
  const onRejection = (error: unknown) =>
    say({ level: 'error', event: 'unhandled', message: `an action left this unhandled: ${stackOf(error)}` });
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('unhandledRejection', onRejection);
  try {
    await Promise.race([told.promise, workers.dismissed]);
  } finally {
    await workers.stop(GRACE_MS);
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('unhandledRejection', onRejection);
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A line for each event: for people with the time of day, as JSON with everything. */
function reporter(output: Output): (event: WorkerEvent) => void {
  return ({ level, event, message, claim, error }) => {
    const time = new Date();
    if (output.json) {
      const about =
        claim === undefined ? {} : { job_id: claim.job_id, step: claim.step, attempt: claim.attempt };
      const why =
        error === undefined ? {} : { error: error instanceof Error ? error.message : String(error) };
      return output.printJsonLine({ time, level, event, message, ...about, ...why });
    }
    const text = `${time.toTimeString().slice(0, 8)}  ${message.split('\n').map(plain).join('\n')}`;
    const style = level === 'error' ? 'red' : level === 'warn' ? 'yellow' : null;
    output.print(style === null ? text : output.paint(style, text));
  };
}
