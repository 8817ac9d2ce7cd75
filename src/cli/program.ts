import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { changeCommands } from './commands/change-job.ts';
import { cleanupCommand } from './commands/cleanup.ts';
import { jobCommand, jobsCommand } from './commands/jobs.ts';
import { logCommand } from './commands/log.ts';
import { serveCommand } from './commands/serve.ts';
import { stepsCommand } from './commands/steps.ts';
import { submitCommand } from './commands/submit.ts';
import { validateCommand } from './commands/validate.ts';
import { watchCommand } from './commands/watch.ts';
import { workerCommand } from './commands/worker.ts';
import { workersCommand } from './commands/workers.ts';
import { withExamples } from './given.ts';

const DEFAULT_SERVER = 'http://127.0.0.1:3000';

/**
 * The whole command line; `environment` gives the server when `--server` does not. With `isQuiet` mistakes in what was
 * typed are thrown as `CommanderError` without being written anywhere.
 */
export function createProgram(environment: Record<string, string | undefined>, isQuiet = false): Command {
  const program = new Command('holdfast')
    .description('Jobs that are not lost: start a server, submit graphs of steps, watch them, work for them.')
    .version(packageJson.version)
    .option(
      '--server <url>',
      'where the server is; several of one database with commas; by default HOLDFAST_SERVER',
      environment.HOLDFAST_SERVER || DEFAULT_SERVER,
    )
    .option('--json', 'print JSON for programs; errors too')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows how it is used)')
    .configureOutput(isQuiet ? { writeErr: () => {} } : {})
    .exitOverride();
  withExamples(program, [
    'holdfast serve',
    'holdfast submit job.yaml --watch',
    'holdfast jobs --status failed',
    'holdfast worker ./actions',
  ]);
  const commands = [
    serveCommand(),
    submitCommand(),
    validateCommand(),
    watchCommand(),
    jobsCommand(),
    jobCommand(),
    stepsCommand(),
    logCommand(),
    ...changeCommands(),
    workersCommand(),
    workerCommand(),
    cleanupCommand(),
  ];
  for (const command of commands) {
    // Settings such as what an error does are handed down by `command()`, not by `addCommand()`.
    program.addCommand(command.copyInheritedSettings(program));
  }
  return program;
}
