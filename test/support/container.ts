import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { until } from './embedded.ts';

const IMAGE = 'postgres:18';
const START_MS = 60_000;
const USER = 'holdfast';

/**
 * Starts a PostgreSQL in a container for a run of the tests: the image TEST_POSTGRES_IMAGE, which takes the variables
 * of the official one. `settings` are those of the database server. Rejects with one line that says the way out.
 */
export async function startContainer(
  settings: Record<string, string>,
): Promise<{ url: string; stop(): Promise<void> }> {
  const image = process.env.TEST_POSTGRES_IMAGE || IMAGE;
  const password = randomUUID();
  const container = await create(image, password, settings).catch((error: Error) => {
    throw refusal(image, error);
  });
  const stop = async () => void (await container.stop({ remove: true, removeVolumes: true }));
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`;
  const url = `postgres://${USER}:${password}@${address}/${USER}`;
  try {
    await until(() => answers(url), START_MS);
  } catch {
    await stop();
    throw refusal(image, new Error(`it does not answer on ${address}`));
  }
  return { url, stop };
}

function create(
  image: string,
  password: string,
  settings: Record<string, string>,
): Promise<StartedTestContainer> {
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return (
    new GenericContainer(image)
      .withEnvironment({ POSTGRES_USER: USER, POSTGRES_PASSWORD: password })
      .withCommand(['postgres', ...options])
      .withExposedPorts(5432)
      // Said by the server that stays only: the one that fills a new data folder before it has no such address.
      .withWaitStrategy(Wait.forLogMessage(/listening on IPv4 address/))
      .withStartupTimeout(START_MS)
      .start()
  );
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/** One line and no stack: what went wrong lies on the machine, not in a file of ours. */
function refusal(image: string, { message }: Error): Error {
  const what = message.replaceAll(/\s+/g, ' ').trim();
  const line = /container runtime/.test(what)
    ? 'TEST_POSTGRES=container needs a running Docker engine that this user may use; there is none'
    : `TEST_POSTGRES=container could not start ${image}: ${what}. Where images cannot be pulled, name one that is ` +
      'there by TEST_POSTGRES_IMAGE and set TESTCONTAINERS_RYUK_DISABLED=true';
  return Object.assign(new Error(line), { stack: `Error: ${line}` });
}
