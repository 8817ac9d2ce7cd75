import { execFile } from 'node:child_process';
import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, parse, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Action } from '../../client/src/index.ts';
import { NAMES } from '../domain/limits.ts';

/** One file of the folder, loaded. */
export interface FolderAction {
  uses: string;
  /** The file's name. */
  file: string;
  run: Action;
  /** How many steps of it may run at once; null: as many as the worker has room for. */
  concurrency: number | null;
}

export interface FolderListener {
  /** The actions as they are now: at the start, and whenever a file was dropped in, changed or removed. */
  onActions(actions: FolderAction[]): void;
  /** A file that is not taken, and why. */
  onTrouble(file: string, why: string): void;
}

export interface ActionFolder {
  close(): void;
}

// What the operating system tells comes at once, and in bursts while a file is written; on some file systems it tells
// nothing, hence the look that needs nobody's word.
const SETTLE_MS = 60;
const RESCAN_MS = 1000;
const LOAD_MS = 10_000;

const ACTION_FILE = /^[^._].*\.(ts|mts|js|mjs|cjs)$/;
const NO_ACTION_FILE = /\.(d|test|spec)\.[cm]?[tj]s$/;

interface Known {
  /** Changes whenever the file does. */
  mark: string;
  action: FolderAction | null;
  /** The file that it was last said to stand back behind, so that this is told once. */
  behind?: string;
}

interface Files {
  /** What each file held when it was last looked at. */
  known: Map<string, Known>;
  /** The file of each action that is served. */
  inUse: Map<string, string>;
}

/**
 * Loads the actions of a folder, one a file, and goes on looking for files that are dropped in, changed or removed. A
 * file that does not load is reported; what it held before stays in use. Resolves after the first look; throws when the
 * folder cannot be read.
 */
export async function openActionFolder(folder: string, listener: FolderListener): Promise<ActionFolder> {
  const path = resolve(folder);
  const files: Files = { known: new Map(), inUse: new Map() };
  await look(path, files, listener, true);
  const closing = new AbortController();
  const { signal } = closing;
  let hint = Promise.withResolvers<void>();
  const watcher = watchFolder(path, () => hint.resolve());
  const keepLooking = async () => {
    let trouble = '';
    while (!signal.aborted) {
      await Promise.race([hint.promise, sleep(RESCAN_MS, undefined, { signal })]);
      hint = Promise.withResolvers();
      await sleep(SETTLE_MS, undefined, { signal });
      const now = await look(path, files, listener).then(
        () => '',
        (error: Error) => error.message,
      );
      // Told once, not every second.
      if (now !== '' && now !== trouble) listener.onTrouble(folder, now);
      trouble = now;
    }
  };
  keepLooking().catch((error) => {
    if (!signal.aborted) listener.onTrouble(folder, `not looked at any more: ${(error as Error).message}`);
  });
  return {
    close: () => {
      closing.abort();
      watcher?.close();
    },
  };
}

function watchFolder(path: string, onHint: () => void): FSWatcher | null {
  try {
    // A folder that goes away is noticed by the look that follows.
    return watch(path, onHint).on('error', onHint);
  } catch {
    return null;
  }
}

/** Loads what is new, forgets what is gone, and tells of it if there was either. */
async function look(
  path: string,
  { known, inUse }: Files,
  listener: FolderListener,
  isFirst = false,
): Promise<void> {
  const marks = await readMarks(path);
  const gone = [...known.keys()].filter((file) => !marks.has(file));
  for (const file of gone) known.delete(file);
  const changed = [...marks].filter(([file, mark]) => known.get(file)?.mark !== mark);
  const taken = await Promise.all(
    changed.map(async ([file, mark]) => {
      const former = known.get(file)?.action ?? null;
      try {
        known.set(file, { mark, action: await loadAction(path, file) });
        return true;
      } catch (error) {
        known.set(file, { mark, action: former });
        const stays = former === null ? '' : '; its former code stays in use';
        // When half of it had been written, the other half is reason enough to look again.
        const isWhole = (await readMarks(path)).get(file) === mark;
        if (isWhole) listener.onTrouble(file, `${await explain(error, path, file)}${stays}`);
        return false;
      }
    }),
  );
  if (isFirst || gone.length > 0 || taken.includes(true))
    listener.onActions(withoutDoubles(known, inUse, listener));
}

/** What went wrong, with the line of the file if it is known. */
async function explain(error: unknown, path: string, file: string): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  const lineIn = (text = '') =>
    text
      .split(file)
      .slice(1)
      .map((after) => /^(?:\?\d+)?:(\d+)/.exec(after)?.[1])[0];
  let line = lineIn(error.stack);
  // Of modules whose text is wrong an import does not say where; a Node that only checks does.
  if (line === undefined && error instanceof SyntaxError) {
    const checking = promisify(execFile)(process.execPath, ['--check', join(path, file)], {
      timeout: LOAD_MS,
    });
    line = await checking.then(
      () => undefined,
      ({ stderr }: { stderr?: string }) => lineIn(stderr),
    );
  }
  return line === undefined ? error.message : `line ${line}: ${error.message}`;
}

/** What changes when a file does, by its name. */
async function readMarks(path: string): Promise<Map<string, string>> {
  const names = (await readdir(path)).filter((name) => ACTION_FILE.test(name) && !NO_ACTION_FILE.test(name));
  const marks = await Promise.all(
    names.sort().map(async (name): Promise<[string, string] | null> => {
      // One that has just gone, or a link that leads nowhere, is not there.
      const found = await stat(join(path, name), { bigint: true }).catch(() => null);
      return found?.isFile() ? [name, `${found.ino} ${found.mtimeNs} ${found.size}`] : null;
    }),
  );
  return new Map(marks.filter((mark) => mark !== null));
}

let imports = 0;

async function loadAction(path: string, file: string): Promise<FolderAction> {
  const whole = join(path, file);
  // Modules are kept by their address for as long as the process lives, those of CommonJS by their path.
  delete createRequire(import.meta.url).cache[whole];
  imports += 1;
  const module = await inTime(import(`${pathToFileURL(whole).href}?${imports}`));
  const held = isObject(module.default) ? { ...module, ...module.default } : module;
  const run = held.default;
  if (typeof run !== 'function') throw new Error('it exports no function as `default`');
  const uses = held.uses ?? held.name ?? parse(file).name;
  if (typeof uses !== 'string' || !NAMES.action.test(uses)) {
    throw new Error(
      `"${uses}" is no name of an action: small letters, digits and . _ / -; export another as \`uses\``,
    );
  }
  const { concurrency = null } = held;
  if (concurrency !== null && !(Number.isInteger(concurrency) && (concurrency as number) > 0))
    throw new Error('`concurrency` is no whole number from 1 on');
  return { uses, file, run: run as Action, concurrency: concurrency as number | null };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** A module that waits for ever while it loads would keep all others waiting. */
async function inTime(loading: Promise<Record<string, unknown>>): Promise<Record<string, unknown>> {
  const over = new AbortController();
  const late = sleep(LOAD_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`it was not loaded within ${LOAD_MS / 1000} s`);
  });
  try {
    return await Promise.race([loading, late]);
  } finally {
    late.catch(() => {});
    over.abort();
  }
}

/** Of several files for one action the one in use stays, else the first by name counts. `inUse`: by action its file. */
function withoutDoubles(
  known: Map<string, Known>,
  inUse: Map<string, string>,
  { onTrouble }: FolderListener,
): FolderAction[] {
  const actions = [...known.values()].map(({ action }) => action).filter((action) => action !== null);
  const rank = ({ uses, file }: FolderAction) => (inUse.get(uses) === file ? 0 : 1);
  const sorted = actions.sort((a, b) => rank(a) - rank(b) || (a.file < b.file ? -1 : 1));
  const served = new Map<string, FolderAction>();
  for (const action of sorted) {
    const { uses, file } = action;
    const former = served.get(uses);
    const entry = known.get(file) as Known;
    if (former === undefined) {
      served.set(uses, action);
      delete entry.behind;
    } else if (entry.behind !== former.file) {
      entry.behind = former.file;
      onTrouble(file, `\`${uses}\` is the action of ${former.file} already`);
    }
  }
  inUse.clear();
  for (const { uses, file } of served.values()) inUse.set(uses, file);
  return [...served.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
}
