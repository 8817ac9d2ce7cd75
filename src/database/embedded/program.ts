import { spawn } from 'node:child_process';
import { closeSync, fchownSync, openSync, rmSync, writeSync } from 'node:fs';

/** Whom a program of PostgreSQL runs as. */
export type RunAs = {
  /** For messages: the name of a user. */
  user: string;
  /** Set where this process is root and must become somebody else. */
  uid?: number;
  gid?: number;
  /** A command that the program is an argument of. */
  prefix?: string[];
  /** Who must own the files that PostgreSQL writes; absent where that is this process's user anyway. */
  owner?: { uid: number; gid: number };
};

export type ProgramResult = { code: number | null; output: string; error?: NodeJS.ErrnoException };

/**
 * Runs a program to its end, in a session of its own so that a Ctrl-C in the terminal does not reach it.
 * Never rejects: a program that could not be started gives an `error`.
 */
export function runProgram(
  runAs: RunAs,
  file: string,
  args: string[],
  input?: string,
): Promise<ProgramResult> {
  const [command = file, ...rest] = [...(runAs.prefix ?? []), file, ...args];
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, rest, {
      ...(runAs.uid === undefined ? {} : { uid: runAs.uid }),
      ...(runAs.gid === undefined ? {} : { gid: runAs.gid }),
      // The working folder may be one that the other user cannot enter.
      cwd: '/',
      detached: true,
      env: ENVIRONMENT,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-10_000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => resolve({ code: null, output, error }));
    // Not 'close': the postmaster that pg_ctl leaves behind may hold on to the pipes.
    child.on('exit', (code) =>
      setImmediate(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ code, output });
      }),
    );
  });
}

// Nothing of our own environment: it holds secrets, and PG… variables that would redirect the programs.
// useradd and the like are not always on an ordinary PATH.
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin',
  LC_ALL: 'C',
};

/**
 * Writes a file for PostgreSQL, in a folder that may be another user's: always a new file, since that user
 * could have put a link in its place, and root would write wherever it leads.
 */
export function writeFileFor(runAs: RunAs, path: string, text: string): void {
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    if (runAs.owner !== undefined) fchownSync(file, runAs.owner.uid, runAs.owner.gid);
  } finally {
    closeSync(file);
  }
}
