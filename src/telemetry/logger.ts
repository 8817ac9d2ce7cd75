import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { build as pretty } from 'pino-pretty';

export interface LogSettings {
  /** trace, debug, info, warn, error, fatal or silent. */
  level: string;
  /** Lines for people, as in a terminal; else one JSON object a line. */
  pretty: boolean;
  /** Where the lines go; standard output when absent. */
  destination?: DestinationStream;
}

/** The server's log. Ids travel as fields (`job_id`, `step`, `attempt`, `request_id`), never only inside the text. */
export function createLogger(settings: LogSettings): Logger {
  const options: LoggerOptions = {
    level: settings.level,
    base: undefined as never,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
  };
  if (!settings.pretty) return settings.destination ? pino(options, settings.destination) : pino(options);
  // A stream in this process: a worker thread would lose the last lines of a process that ends.
  const stream = pretty({
    colorize: settings.destination === undefined,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,method,url,status,ms',
    singleLine: true,
    sync: true,
    ...(settings.destination === undefined
      ? {}
      : { destination: settings.destination as NodeJS.WritableStream }),
  });
  return pino({ ...options, formatters: {} }, stream);
}

/** An error as the log shows it. On that of an idle connection the pool hangs the whole client: pages of nothing. */
function describeError(error: Error): object {
  const { client, ...shown } = pino.stdSerializers.err(error) as { client?: unknown };
  return shown;
}
