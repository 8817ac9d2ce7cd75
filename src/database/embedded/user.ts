import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StartupError } from '../startup-error.ts';
import { copyBinaries, type PostgresBinaries } from './binaries.ts';
import { type RunAs, runProgram } from './program.ts';

const ROOT: RunAs = { user: 'root' };
const CREATED_USER = 'holdfast';
type SystemUser = { name: string; uid: number; gid: number };

/**
 * Decides whom PostgreSQL runs as. An ordinary user: that user. Root, which PostgreSQL refuses: the system
 * user `postgres`, else one made for it, with the programs copied to where that user can reach them. A data
 * folder that no other user can reach (a clone in /root) is served in a user namespace: root outside, so that
 * the files are within reach, an ordinary user to PostgreSQL; second choice, because it shields root's files
 * less. Throws a StartupError that says what to type when nothing works.
 */
export async function chooseRunAs(
  binaries: PostgresBinaries,
  folder: string,
): Promise<{ runAs: RunAs; binaries: PostgresBinaries }> {
  if (process.getuid?.() !== 0) return { runAs: { user: 'this user' }, binaries };
  const user = await systemUser();
  const { uid, gid } = user;
  const asUser: RunAs = { user: user.name, uid, gid, owner: { uid, gid } };
  if (await canEnter(asUser, folder)) {
    if (await canRun(asUser, binaries)) return { runAs: asUser, binaries };
    const copied = copyBinaries(binaries);
    if (copied !== undefined && (await canRun(asUser, copied))) return { runAs: asUser, binaries: copied };
    throw new StartupError(
      `PostgreSQL runs as ${user.name}, who cannot reach its programs in ${binaries.root}: ` +
        `type chmod o+x ${closedFolders(binaries.root, uid)}, or start Holdfast as an ordinary user.`,
    );
  }
  const inNamespace = namespaced(user);
  if ((await canEnter(inNamespace, folder)) && (await canRun(inNamespace, binaries))) {
    return { runAs: inNamespace, binaries };
  }
  throw new StartupError(
    `PostgreSQL runs as ${user.name}, who cannot reach the data folder ${folder}: set DATA_DIR to ` +
      `another folder (for example DATA_DIR=/var/lib/holdfast/data), or type ` +
      `chmod o+x ${closedFolders(folder, uid)}.`,
  );
}

async function systemUser(): Promise<SystemUser> {
  const existing = (await lookUp('postgres')) ?? (await lookUp(CREATED_USER));
  if (existing !== undefined) return existing;
  const options = '--system --user-group --no-create-home --home-dir /nonexistent --shell /bin/false';
  await runProgram(ROOT, 'useradd', [...options.split(' '), CREATED_USER]);
  const created = await lookUp(CREATED_USER);
  if (created !== undefined) return created;
  throw new StartupError(
    'PostgreSQL refuses to run as root, and no user could be made for it: type useradd --system postgres, ' +
      'or start Holdfast as an ordinary user, or set DATABASE_URL to a PostgreSQL 15 or newer.',
  );
}

async function lookUp(name: string): Promise<SystemUser | undefined> {
  const uid = await runProgram(ROOT, 'id', ['-u', name]);
  const gid = await runProgram(ROOT, 'id', ['-g', name]);
  if (uid.code !== 0 || gid.code !== 0) return undefined;
  return { name, uid: Number(uid.output), gid: Number(gid.output) };
}

function namespaced({ name, uid, gid }: SystemUser): RunAs {
  // initdb insists on a user that has a name, so the mapped one is the system user's.
  const prefix = ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`, '--'];
  return { user: `root as ${name}`, prefix, owner: { uid: 0, gid: 0 } };
}

async function canEnter(runAs: RunAs, folder: string): Promise<boolean> {
  return (await runProgram(runAs, '/bin/sh', ['-c', 'test -x "$0"', folder])).code === 0;
}

async function canRun(runAs: RunAs, binaries: PostgresBinaries): Promise<boolean> {
  return (await runProgram(runAs, binaries.postgres, ['--version'])).code === 0;
}

/** The folders on the way to `path` that others may not pass. */
function closedFolders(path: string, uid: number): string {
  const closed: string[] = [];
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode, uid: owner } = statSync(folder);
    const passable = owner === uid ? (mode & 0o100) !== 0 : (mode & 0o001) !== 0;
    if (!passable) closed.unshift(folder);
    if (folder === dirname(folder)) return closed.join(' ');
  }
}
