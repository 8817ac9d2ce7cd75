import { HoldfastError, UnreachableError, WaitTimeoutError } from '../../client/src/index.ts';
import { EXIT } from './exit-codes.ts';
import type { Output } from './output.ts';
import { plain } from './wording.ts';

/** What was typed cannot be done as it stands; the message says what to type instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The time of `--timeout` is over before what was waited for has come. */
export class WaitOver extends Error {
  override readonly name = 'WaitOver';
}

/** Somebody pressed Ctrl-C while the command only looked on. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Says on standard error what went wrong, with `--json` as one document. Gives the exit code. */
export function tellTrouble(error: unknown, output: Output, file = 'line'): number {
  const { exit, lines, document } = describe(error, file);
  output.note(output.json ? JSON.stringify(document) : lines.join('\n'));
  return exit;
}

interface Trouble {
  exit: number;
  lines: string[];
  document: unknown;
}

function describe(error: unknown, file: string): Trouble {
  if (error instanceof HoldfastError) return describeProblem(error, file);
  const message = error instanceof Error ? error.message : String(error);
  const as = (exit: number, code: string, hint: string[] = []): Trouble => ({
    exit,
    lines: [`holdfast: ${plain(message)}`, ...hint],
    document: { code, detail: message, errors: [] },
  });
  if (error instanceof UnreachableError)
    return as(EXIT.unreachable, 'unreachable', [
      'Is it running? `holdfast serve` starts one; `--server` names another.',
    ]);
  if (error instanceof UsageError) return as(EXIT.usage, 'usage');
  if (error instanceof WaitOver || error instanceof WaitTimeoutError) return as(EXIT.wait_over, 'wait_over');
  if (error instanceof Interrupted) return as(EXIT.interrupted, 'interrupted');
  return as(EXIT.failed, 'unexpected');
}

function describeProblem(error: HoldfastError, file: string): Trouble {
  // An answer without a code comes from something else that listens there.
  if (error.problem.code === undefined || error.code === 'not_holdfast') {
    const detail = `what answers there is no Holdfast server (status ${error.status})`;
    const lines = [`holdfast: ${detail}`, '`--server` or HOLDFAST_SERVER names the one that is meant.'];
    return { exit: EXIT.unreachable, lines, document: { code: error.code, detail, errors: [] } };
  }
  const { errors } = error;
  // `detail` tells one mistake in full; of several, or one that has a line in a file, the entries say more.
  const told = errors.every(({ line }) => line === undefined) && errors.length < 2;
  const head = told ? error.detail : (error.problem.title ?? error.detail);
  const lines = [`holdfast: ${plain(head)}`, ...(told ? [] : showEntries(errors, file))];
  if (error.status >= 500)
    lines.push(`The server's log says more under the request ${plain(error.requestId)}.`);
  return { exit: EXIT.failed, lines, document: error.problem };
}

/** Each thing that is wrong, as compilers show it: where, and what to write instead. */
export function showEntries(entries: HoldfastError['errors'], file: string): string[] {
  const places = entries.map(({ line, pointer }) =>
    line === undefined ? pointer || 'body' : `${file}:${line}`,
  );
  const width = Math.min(40, Math.max(0, ...places.map(({ length }) => length)));
  return entries.map(({ detail, line, pointer }, index) => {
    const where = line === undefined || pointer === '' ? '' : ` (at ${pointer})`;
    return `  ${plain(`${(places[index] as string).padEnd(width)}  ${detail}${where}`)}`;
  });
}
