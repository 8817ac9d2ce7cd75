import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type RunAs, writeFileFor } from './program.ts';

/** The pid of the running postmaster of this cluster, if there is one. */
export function livePostmaster(cluster: string): number | undefined {
  const pid = recordedPid(cluster);
  return pid !== undefined && isAlive(pid) && isPostmasterOf(pid, cluster) ? pid : undefined;
}

/**
 * Makes lock files of a dead postmaster harmless whose pid still counts as alive: used again by another
 * program, or ended and not waited for (where process 1 does not do that, for ever). PostgreSQL would refuse
 * to start. postmaster.pid is not removed, because it also names the shared memory by which a new postmaster
 * recognises children of the old one that still live; its pid becomes ours, which PostgreSQL ignores as that
 * of its starter. Call it while holding the data folder, and only when no postmaster answers.
 */
export function disarmStalePids(cluster: string, socketFolder: string, runAs: RunAs): void {
  for (const name of existsSync(socketFolder) ? readdirSync(socketFolder) : []) {
    if (name.endsWith('.lock')) rmSync(join(socketFolder, name));
  }
  const pid = recordedPid(cluster);
  if (pid === undefined || !isAlive(pid) || isPostmasterOf(pid, cluster)) return;
  const file = join(cluster, 'postmaster.pid');
  writeFileFor(runAs, file, readFileSync(file, 'utf8').replace(/^\s*-?\d+/, String(process.pid)));
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

/**
 * Whether a process is a postgres that works in this cluster's folder; a pid alone says nothing after a
 * crash.
 */
export function isPostmasterOf(pid: number, cluster: string): boolean {
  const command = commandOf(pid);
  if (!command.includes('postgres')) return false;
  if (command.includes(cluster)) return true;
  try {
    // Started by another path to the folder. Not for everybody to see, so the command line is asked first.
    const here = statSync(cluster);
    const there = statSync(`/proc/${pid}/cwd`);
    return here.ino === there.ino && here.dev === there.dev;
  } catch {
    return false;
  }
}

/**
 * The command line of a living process; empty for one that has ended, also while nobody has waited for it.
 */
function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}
