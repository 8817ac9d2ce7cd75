import type { PostgresBinaries } from './embedded-binaries.ts';
import type { RunAs } from './embedded-program.ts';
import { runProgram } from './embedded-program.ts';

/** Filled in below. */
export async function chooseRunAs(
  binaries: PostgresBinaries,
  _folder: string,
): Promise<{ runAs: RunAs; binaries: PostgresBinaries }> {
  if (process.getuid?.() !== 0) return { runAs: { user: 'this user' }, binaries };
  const uid = Number((await runProgram({ user: 'root' }, 'id', ['-u', 'postgres'])).output);
  const gid = Number((await runProgram({ user: 'root' }, 'id', ['-g', 'postgres'])).output);
  return { runAs: { user: 'postgres', uid, gid, owner: { uid, gid } }, binaries };
}
