import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { livePostmaster } from '../../src/database/embedded/pid-file.ts';
import { cleanUp, newDataDir, type Owner, query, startOwner, until } from '../support/embedded.ts';

afterEach(cleanUp);

const asRoot = process.getuid?.() === 0;
const cluster = (dataDir: string) => join(dataDir, 'postgres');
const keep = (owner: Owner) => query(owner, 'create table kept as select 42 as n');
const readKept = async (owner: Owner) => (await query(owner, 'select n from kept'))[0];
const postmasterPid = (dataDir: string) => livePostmaster(cluster(dataDir)) ?? -1;

it('starts a durable PostgreSQL in an empty folder, and stops without leaving a process', async () => {
  const dataDir = newDataDir();
  const owner = await startOwner(dataDir, { settings: {} });
  expect(owner.tookOver).toBe(false);
  const settings = `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as sync`;
  expect(await query(owner, settings)).toEqual([{ fsync: 'on', sync: 'on' }]);
  expect(statSync(join(dataDir, 'holdfast.json')).mode & 0o777).toBe(0o600);
  expect(statSync(join(dataDir, 'socket')).mode & 0o777).toBe(0o700);
  const pid = postmasterPid(dataDir);
  await owner.stop();
  // It has given up everything by now; the kernel may need a moment more to take it off its list.
  await until(() => !isAlive(pid));
  expect(existsSync(join(cluster(dataDir), 'postmaster.pid'))).toBe(false);
});

it('takes over the running database of a server that was killed', async () => {
  const dataDir = newDataDir();
  const first = await startOwner(dataDir);
  await keep(first);
  const pid = postmasterPid(dataDir);
  await first.kill();
  const second = await startOwner(dataDir);
  expect(second.tookOver).toBe(true);
  expect(postmasterPid(dataDir)).toBe(pid);
  expect(await readKept(second)).toEqual({ n: 42 });
});

it('is not reached by a Ctrl-C that ends the server', async () => {
  const dataDir = newDataDir();
  const first = await startOwner(dataDir);
  const pid = postmasterPid(dataDir);
  process.kill(-first.pid, 'SIGINT');
  await first.gone;
  const second = await startOwner(dataDir);
  expect(postmasterPid(dataDir)).toBe(pid);
  expect(second.tookOver).toBe(true);
});

it('starts the postmaster again when it is killed under a living server', async () => {
  const dataDir = newDataDir();
  const owner = await startOwner(dataDir);
  await keep(owner);
  for (let round = 0; round < 2; round++) {
    const pid = postmasterPid(dataDir);
    process.kill(pid, 'SIGKILL');
    await until(async () => (await readKept(owner).catch(() => undefined)) !== undefined);
    expect(postmasterPid(dataDir)).not.toBe(pid);
  }
});

it('recovers after server and postmaster were killed together', async () => {
  const dataDir = newDataDir();
  const first = await startOwner(dataDir, { settings: {} });
  await keep(first);
  const pid = postmasterPid(dataDir);
  // The server is stopped first, so that it cannot start the postmaster again in between.
  process.kill(first.pid, 'SIGSTOP');
  process.kill(pid, 'SIGKILL');
  await first.kill();
  const second = await startOwner(dataDir);
  expect(second.tookOver).toBe(false);
  expect(await readKept(second)).toEqual({ n: 42 });
});

it('refuses a second server on one folder with the pid of the first and the way out', async () => {
  const dataDir = newDataDir();
  const first = await startOwner(dataDir);
  const refusal = await startOwner(dataDir).then(
    () => 'admitted',
    (error: Error) => error.message,
  );
  expect(refusal).toContain(`pid ${first.pid}`);
  expect(refusal).toContain('DATABASE_URL');
  expect(await query(first, 'select 1 as n')).toEqual([{ n: 1 }]);
});

it('admits exactly one of many simultaneous starters, also after a crash', async () => {
  const dataDir = newDataDir();
  await (await startOwner(dataDir)).kill();
  const starts = await Promise.allSettled(Array.from({ length: 5 }, () => startOwner(dataDir)));
  expect(starts.filter((start) => start.status === 'fulfilled')).toHaveLength(1);
});

it('starts although postmaster.pid names a living process that is no postmaster', async () => {
  const dataDir = newDataDir();
  const first = await startOwner(dataDir);
  await keep(first);
  const pidFile = join(cluster(dataDir), 'postmaster.pid');
  const { uid, gid } = statSync(cluster(dataDir));
  const text = readFileSync(pidFile, 'utf8');
  await first.stop();
  const other = spawn('sleep', ['60'], { uid, gid });
  writeFileSync(pidFile, text.replace(/^\d+/, String(other.pid)));
  try {
    expect(await readKept(await startOwner(dataDir))).toEqual({ n: 42 });
    expect(other.exitCode).toBe(null);
  } finally {
    other.kill();
  }
});

it('refuses the files of another major version and says what to do', async () => {
  const dataDir = newDataDir();
  mkdirSync(cluster(dataDir));
  writeFileSync(join(cluster(dataDir), 'PG_VERSION'), '17\n');
  await expect(startOwner(dataDir)).rejects.toThrow(/PostgreSQL 17.*PostgreSQL 18.*DATA_DIR/);
});

it('leaves a folder alone that is not its own', async () => {
  const dataDir = newDataDir();
  mkdirSync(cluster(dataDir));
  writeFileSync(join(cluster(dataDir), 'precious'), 'x');
  await expect(startOwner(dataDir)).rejects.toThrow(/DATA_DIR/);
  expect(existsSync(join(cluster(dataDir), 'precious'))).toBe(true);
});

it('makes a new database where an earlier start was killed while making one', async () => {
  const dataDir = newDataDir();
  mkdirSync(`${cluster(dataDir)}.new/base`, { recursive: true });
  expect(await query(await startOwner(dataDir), 'select 1 as n')).toEqual([{ n: 1 }]);
});

it('listens on loopback with a password where the path is too long for a socket', async () => {
  const dataDir = join(newDataDir(), 'x'.repeat(100));
  const first = await startOwner(dataDir);
  await keep(first);
  const { connection } = first;
  expect(connection.host).toBe('127.0.0.1');
  const stranger = new pg.Client({ ...connection, password: 'guess' });
  await expect(stranger.connect()).rejects.toThrow(/password/);
  // The details are lost while the postmaster runs: it is started anew with another password.
  await first.kill();
  rmSync(join(dataDir, 'holdfast.json'));
  const second = await startOwner(dataDir);
  expect(second.connection.password).not.toBe(connection.password);
  expect(await readKept(second)).toEqual({ n: 42 });
  await second.stop();
  const third = await startOwner(dataDir);
  expect(third.connection.password).toBe(second.connection.password);
  expect(await readKept(third)).toEqual({ n: 42 });
});

it.runIf(asRoot)('serves an ordinary user from a folder of its own', async () => {
  const NOBODY = 65_534;
  const dataDir = newDataDir({ uid: NOBODY, mode: 0o700 });
  const owner = await startOwner(dataDir, { uid: NOBODY });
  expect(await query(owner, 'select 1 as n')).toEqual([{ n: 1 }]);
  expect(statSync(cluster(dataDir)).uid).toBe(NOBODY);
});

it.runIf(asRoot)('serves root from a closed folder, or says in one line what to type', async () => {
  const closed = newDataDir({ mode: 0o700 });
  const dataDir = join(closed, 'data');
  const start = await startOwner(dataDir).catch((error: Error) => error.message);
  if (typeof start === 'string') {
    expect(start).toMatch(/^[^\n]*chmod o\+x [^\n]*$/);
    return;
  }
  await keep(start);
  await start.kill();
  expect(await readKept(await startOwner(dataDir))).toEqual({ n: 42 });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that ended and was not yet waited for is no process any more.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
