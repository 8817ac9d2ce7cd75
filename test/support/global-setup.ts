import type { TestProject } from 'vitest/node';
import { migrate } from '../../src/database/migrations.ts';
import { newDataDir, startOwner, urlOf } from './embedded.ts';
import { onServer, withDatabase } from './server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The server's address as a URL, and the name of the migrated database that test files copy. */
    testServer: { url: string; template: string };
  }
}

/**
 * One PostgreSQL for the whole run: that of TEST_DATABASE_URL, or an embedded one in a temporary folder. One
 * template database is migrated in it. However the run ends, the embedded one ends with it: its owner watches
 * a pipe to this process.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL;
  const embedded = given === undefined ? await startForTests() : undefined;
  const url = given ?? embedded?.url ?? '';
  const template = `holdfast_test_template_${process.pid}`;
  await onServer(url, `drop database if exists ${template} with (force)`);
  await onServer(url, `create database ${template}`);
  await migrate(withDatabase(url, template));
  project.provide('testServer', { url, template });
  return async () => {
    await onServer(url, `drop database if exists ${template} with (force)`);
    await embedded?.stop();
  };
}

async function startForTests(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = newDataDir();
  // Nobody reads this data after the run, so nothing waits for the disk.
  const settings = {
    fsync: 'off',
    full_page_writes: 'off',
    synchronous_commit: 'off',
    max_connections: '300',
  };
  const owner = await startOwner(folder, { settings, remove: true });
  return { url: urlOf(owner.connection), stop: () => owner.stop() };
}
