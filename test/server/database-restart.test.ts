import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { livePostmaster } from '../../src/database/embedded/pid-file.ts';
import type { EmbeddedConnection } from '../../src/database/embedded/settings.ts';
import { newDataDir, startOwner, until, urlOf } from '../support/embedded.ts';
import {
  databaseOf,
  postmasterOf,
  type ServerProcess,
  startServer,
  stopEverything,
} from '../support/server-process.ts';
import { allSteps, countingJob, executions, isOver, submit, untilJob } from './steps-that-count.ts';

afterEach(stopEverything);

const JOB = { levels: 4, width: 25 };

/** How the attempts ended that did not settle their step. */
async function outcomesOf(connection: EmbeddedConnection): Promise<string[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    const { rows } = await client.query<{ outcome: string }>('select outcome from attempt');
    return rows.map(({ outcome }) => outcome);
  } finally {
    await client.end();
  }
}

/**
 * The job has ended as if nothing had happened: every step ran once. Steps that were claimed and could not be loaded
 * any more may have been given back before they ran.
 */
async function expectUntouched(server: ServerProcess, id: string, file: string): Promise<void> {
  expect(await untilJob(server, id, isOver)).toMatchObject({ status: 'succeeded', progress: 1 });
  const ran = executions(file);
  for (const step of await allSteps(server, id)) {
    expect(step).toMatchObject({ failures: 0, losses: 0 });
    expect(ran.get(step.name), step.name).toEqual([step.attempt]);
  }
}

describe('a server whose database dies under load', () => {
  it('starts its own again and goes on without losing an attempt', async () => {
    const folder = newDataDir();
    const file = join(newDataDir({ mode: 0o700 }), 'executions');
    const server = await startServer({ DATA_DIR: folder });
    const id = await submit(server, countingJob(file, JOB));
    await untilJob(server, id, (job) => job.steps.succeeded >= 25 && job.steps.running > 0);
    const postmaster = postmasterOf(folder) as number;
    process.kill(postmaster, 'SIGKILL');
    await until(() => ![postmaster, undefined].includes(postmasterOf(folder)));
    await expectUntouched(server, id, file);
    expect(await outcomesOf(databaseOf(folder))).not.toContain('lost');
  });

  it('waits for one that somebody else runs, for seconds, and goes on without losing an attempt', async () => {
    const folder = newDataDir();
    const file = join(newDataDir({ mode: 0o700 }), 'executions');
    const owner = await startOwner(folder);
    const cluster = join(folder, 'postgres');
    // The claims expire during the outage, which says nothing about who holds them.
    const server = await startServer({ DATABASE_URL: urlOf(owner.connection), CLAIM_TTL: '2s' });
    const id = await submit(server, countingJob(file, JOB));
    await untilJob(server, id, (job) => job.steps.succeeded >= 25 && job.steps.running > 0);
    const postmaster = livePostmaster(cluster) as number;
    // Held still, the owner does not start it again at once; the server's heartbeats fail meanwhile.
    process.kill(owner.pid, 'SIGSTOP');
    process.kill(postmaster, 'SIGQUIT');
    const stoppedAt = Date.now();
    await until(() => failedHeartbeats(server, stoppedAt) >= 5);
    expect(livePostmaster(cluster)).toBeUndefined();
    process.kill(owner.pid, 'SIGCONT');
    await expectUntouched(server, id, file);
    expect(await outcomesOf(owner.connection)).not.toContain('lost');
  });
});

function failedHeartbeats(server: ServerProcess, since: number): number {
  const failures = server
    .logLines()
    .filter(({ loop, time }) => loop === 'heartbeat' && Date.parse(time) > since);
  return failures.length;
}
