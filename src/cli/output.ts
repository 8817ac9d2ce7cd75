import { styleText } from 'node:util';

/** Where a command writes: what it found to standard output, what it has to say about it to standard error. */
export interface Output {
  /** Whether `--json` was given. */
  json: boolean;
  /** Whether standard output is a terminal: only there is anything coloured or cut. */
  isTerminal: boolean;
  /** Columns of the terminal; as many as it takes where there is none, or it does not know. */
  columns(): number;
  /** Whether it is a terminal that knows its size, without which nothing can be drawn in place. */
  canRedraw(): boolean;
  print(text: string): void;
  /** One document: laid out on a terminal, on one line for programs. */
  printJson(value: unknown): void;
  /** One document on one line, of which more may follow. */
  printJsonLine(value: unknown): void;
  /** Bytes as they are. */
  write(bytes: Uint8Array | string): void;
  /** A line for whoever is watching; never part of the result. */
  note(text: string): void;
  paint(style: Style, text: string): string;
}

export type Style = Parameters<typeof styleText>[0];

export function openOutput(json: boolean): Output {
  const stdout = process.stdout;
  const isTerminal = stdout.isTTY === true;
  return {
    json,
    isTerminal,
    columns: () => stdout.columns || Number.POSITIVE_INFINITY,
    canRedraw: () => stdout.rows > 0 && stdout.columns > 0,
    print: (text) => void stdout.write(`${text}\n`),
    printJson: (value) => void stdout.write(`${JSON.stringify(value, null, isTerminal ? 2 : 0)}\n`),
    printJsonLine: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
    write: (bytes) => void stdout.write(bytes),
    note: (text) => void process.stderr.write(`${text}\n`),
    // It looks at the stream and at NO_COLOR by itself.
    paint: (style, text) => styleText(style, text, { stream: stdout }),
  };
}

const STATUS_STYLES: Record<string, Style> = {
  succeeded: 'green',
  live: 'green',
  running: 'cyan',
  ready: 'cyan',
  failed: 'red',
  cancelled: 'yellow',
  paused: 'yellow',
  draining: 'yellow',
  waiting: 'magenta',
};

/** A status in its colour. */
export function paintStatus(output: Output, status: string): string {
  return output.paint(STATUS_STYLES[status] ?? 'gray', status);
}
