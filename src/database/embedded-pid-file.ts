import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type RunAs, writeFileFor } from './embedded-program.ts';

/** The pid of the running postmaster of this cluster, if there is one. */
export function livePostmaster(cluster: string): number | undefined {
  const pid = recordedPid(cluster);
  return pid !== undefined && isAlive(pid) && isPostmasterOf(pid, cluster) ? pid : undefined;
}

/**
 * Makes a postmaster.pid whose pid now belongs to some other program harmless: PostgreSQL would refuse to start.
 * The file is not removed, because it also names the shared memory by which a new postmaster recognises
 * children of the old one that still live; its pid becomes ours, which PostgreSQL ignores as that of its starter.
 */
export function disarmStalePid(cluster: string, runAs: RunAs): boolean {
  const pid = recordedPid(cluster);
  if (pid === undefined || !isAlive(pid) || isPostmasterOf(pid, cluster)) return false;
  const file = join(cluster, 'postmaster.pid');
  const text = readFileSync(file, 'utf8');
  writeFileFor(runAs, file, text.replace(/^\s*-?\d+/, String(process.pid)));
  return true;
}

function recordedPid(cluster: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(cluster, 'postmaster.pid'), 'utf8'), 10);
    return Number.isNaN(pid) ? undefined : Math.abs(pid);
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether a process is a postgres that works in this cluster's folder; a pid alone says nothing after a crash. */
export function isPostmasterOf(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') return commandOf(pid).includes('postgres');
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (!command.includes('postgres')) return false;
    // A postmaster's working folder is its cluster, by whatever path it was started.
    const here = statSync(cluster);
    const there = statSync(`/proc/${pid}/cwd`);
    return here.ino === there.ino && here.dev === there.dev;
  } catch {
    return false;
  }
}

function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}
