import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { build as pretty } from 'pino-pretty';
import { bufferedOutput } from './buffered-output.ts';

export interface LogSettings {
  /** trace, debug, info, warn, error, fatal or silent. */
  level: string;
  /** Lines for people, as in a terminal; else one JSON object a line. */
  pretty: boolean;
  /** Where the lines go; standard output when absent. */
  destination?: DestinationStream;
}

// What the text of a line says already, or says better.
const SAID_IN_TEXT = 'pid,hostname,method,url,status,ms,job_id,step,attempt,version,api,docs,health';

/** The server's log. Ids travel as fields (`job_id`, `step`, `attempt`, `request_id`), never only inside the text. */
export function createLogger(settings: LogSettings): Logger {
  const options: LoggerOptions = {
    level: settings.level,
    base: undefined as never,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
  };
  if (!settings.pretty) return pino(options, settings.destination ?? bufferedOutput());
  // A stream in this process: a worker thread would lose the last lines of a process that ends.
  const stream = pretty({
    colorize: settings.destination === undefined,
    translateTime: 'SYS:HH:MM:ss',
    ignore: SAID_IN_TEXT,
    messageFormat: (line, messageKey, _level, { colors }) =>
      `${isOfUsers(line) ? plain(String(line[messageKey])) : line[messageKey]}${line.job_id === undefined ? '' : colors.gray(`  ${line.job_id}`)}`,
    singleLine: true,
    sync: true,
    ...(settings.destination === undefined
      ? {}
      : { destination: settings.destination as NodeJS.WritableStream }),
  });
  return pino({ ...options, formatters: {} }, stream);
}

/** Lines about jobs and requests quote names, paths and errors; what the server says of itself has lines and colours. */
function isOfUsers(line: Record<string, unknown>): boolean {
  return line.job_id !== undefined || line.url !== undefined;
}

/**
 * A message on one line and without what a terminal would obey: names and errors are the users', and must neither move
 * the cursor nor look like further lines of the log.
 */
function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** An error as the log shows it. On that of an idle connection the pool hangs the whole client: pages of nothing. */
function describeError(error: Error): object {
  const { client, ...shown } = pino.stdSerializers.err(error) as Record<string, unknown>;
  // What it quotes may be the users'; its lines are the stack's.
  for (const [key, value] of Object.entries(shown)) {
    if (typeof value === 'string') shown[key] = value.split('\n').map(plain).join('\n');
  }
  return shown;
}
