import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Client, createClient } from '../../client/src/index.ts';
import { parseDuration } from '../domain/duration.ts';
import { EXIT } from './exit-codes.ts';
import { type Output, openOutput } from './output.ts';
import { tellTrouble, UsageError } from './trouble.ts';

/** What every command is given. */
export interface Given {
  output: Output;
  /** Where the servers are: several share a database, and one is used until it does not answer. */
  servers: readonly string[];
  connect(options?: ConnectOptions): Client;
}

export interface ConnectOptions {
  /** How long to go on trying while no server answers. */
  patienceMs?: number;
  /** Hears when the server has fallen silent, and when it answers again. */
  onSilence?(silent: boolean): void;
}

// A command that is typed should say soon that nobody answers, and yet not mind a server that is just restarting.
const PATIENCE_MS = 2000;
/** For what looks on for long: a restart, or the database of another machine that comes back. */
export const LONG_PATIENCE_MS = 60_000;

export interface GlobalOptions {
  server: string;
  json?: true;
}

/**
 * Makes a command run `action`, which gives the exit code (anything but a number: 0); whatever it throws is told on standard error.
 * `Options` are those that the command declares, `Arguments` likewise.
 */
export function runs<Options extends object, Arguments extends unknown[]>(
  command: Command,
  action: (given: Given, options: Options, ...args: Arguments) => Promise<unknown>,
): Command {
  return command.action(async (...all: unknown[]) => {
    const args = all.slice(0, -2) as Arguments;
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    const output = openOutput(options.json === true);
    const servers = readServers(options.server);
    const given: Given = { output, servers, connect: (how) => connect(servers, how) };
    try {
      const exit = await action(given, options, ...args);
      process.exitCode = typeof exit === 'number' ? exit : EXIT.succeeded;
    } catch (error) {
      // Lines are told of files alone, which come first.
      process.exitCode = tellTrouble(error, output, typeof args[0] === 'string' ? args[0] : undefined);
    }
  });
}

/** As people write them: `localhost:3000`, several with commas between. */
function readServers(text: string): string[] {
  return gatherList(text).map((server) => (/^[\w.-]+:\d+/.test(server) ? `http://${server}` : server));
}

function connect(
  servers: readonly string[],
  { patienceMs = PATIENCE_MS, onSilence }: ConnectOptions = {},
): Client {
  let silent = false;
  const hear = (now: boolean) => {
    if (now !== silent) onSilence?.(now);
    silent = now;
  };
  const listening: typeof fetch = async (input, init) => {
    try {
      const answer = await fetch(input, init);
      hear(false);
      return answer;
    } catch (error) {
      if (!init?.signal?.aborted) hear(true);
      throw error;
    }
  };
  try {
    return createClient({ server: servers, patienceMs, fetch: listening });
  } catch (error) {
    // The addresses are the one thing of it that somebody typed.
    throw new UsageError(`--server: ${(error as Error).message}`);
  }
}

/** `--timeout 30s`, in milliseconds. */
export function timeoutOption(): Option {
  return new Option(
    '--timeout <duration>',
    'stop waiting after this long, such as 30s or 1h; exit code 124',
  ).argParser(readDuration);
}

function readDuration(text: string): number {
  // As far as the timers of Node go: 24 days.
  const read = parseDuration(text, { max: 24 * 86_400_000 });
  if (!read.ok) throw new InvalidArgumentError(read.message);
  return read.ms;
}

/** A whole number from 1 on. */
export function readCount(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return Number(text);
}

/** For an option that may be given several times. */
export function gather(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** The same with several values at once, by commas between. */
export function gatherList(text: string, before: string[] = []): string[] {
  return [...before, ...text.split(',').map((part) => part.trim())].filter((part) => part !== '');
}

/** An option that takes words of a list: several with commas, or the option again. */
export function wordsOption(flags: string, description: string, words: readonly string[]): Option {
  // Its own list, because what comes in first is the default, which is not added to.
  let chosen: string[] = [];
  return new Option(flags, `${description}: ${words.join(', ')}; several with commas`).argParser(
    (text: string) => {
      chosen = gatherList(text, chosen);
      const unknown = chosen.find((word) => !words.includes(word));
      if (unknown !== undefined)
        throw new InvalidArgumentError(`"${unknown}" is none of ${words.join(', ')}.`);
      return chosen;
    },
  );
}

/** Examples below a command's help. */
export function withExamples(command: Command, examples: string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`);
}
