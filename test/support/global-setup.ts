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

interface TestServer {
  url: string;
  stop(): Promise<void>;
}

// Nobody reads this data after the run, so nothing waits for the disk.
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: '300',
};

/**
 * One PostgreSQL for the whole run: that of TEST_DATABASE_URL; with TEST_POSTGRES=container one in a container; else
 * an embedded one in a temporary folder. One template database is migrated in it. However the run ends, what it
 * started ends with it: the embedded one's owner watches a pipe to this process, the container's (Ryuk) a connection.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, stop } = await findServer(process.env);
  const template = `holdfast_test_template_${process.pid}`;
  await onServer(url, `drop database if exists ${template} with (force)`);
  await onServer(url, `create database ${template}`);
  await migrate(withDatabase(url, template));
  project.provide('testServer', { url, template });
  return async () => {
    await onServer(url, `drop database if exists ${template} with (force)`);
    await stop();
  };
}

async function findServer(environment: NodeJS.ProcessEnv): Promise<TestServer> {
  const { TEST_DATABASE_URL: given, TEST_POSTGRES: kind = 'embedded' } = environment;
  if (given !== undefined) return { url: given, stop: async () => {} };
  if (kind === 'embedded') return startEmbedded();
  if (kind !== 'container') throw new Error(`TEST_POSTGRES=${kind}: write container or embedded`);
  // Loaded by those who want it alone, since it is large.
  const { startContainer } = await import('./container.ts');
  return startContainer(SETTINGS);
}

async function startEmbedded(): Promise<TestServer> {
  const owner = await startOwner(newDataDir(), { settings: SETTINGS, remove: true });
  return { url: urlOf(owner.connection), stop: () => owner.stop() };
}
