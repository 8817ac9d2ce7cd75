import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A disk of its own below a folder, small enough to be filled. */
export interface SmallDisk {
  folder: string;
  /** Leaves no byte of room, until `makeRoom`. */
  fill(): void;
  makeRoom(): void;
  unmount(): void;
}

const MEGABYTE = Buffer.alloc(2 ** 20);

/** Mounts a disk in memory at a folder that is made for it; null where this user may not. */
export function mountSmallDisk(folder: string, megabytes: number): SmallDisk | null {
  mkdirSync(folder, { recursive: true });
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'holdfast-test', folder]);
  if (mount.status !== 0) return null;
  chmodSync(folder, 0o755);
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill() {
      writeFileSync(ballast, '');
      for (let piece = MEGABYTE; piece.length >= 1024; piece = piece.subarray(0, piece.length / 2))
        append(piece);
    },
    makeRoom: () => rmSync(ballast, { force: true }),
    unmount: () => void spawnSync('umount', [folder]),
  };

  function append(piece: Buffer): void {
    try {
      for (;;) appendFileSync(ballast, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
