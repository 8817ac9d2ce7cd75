import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { freePort } from '../support/free-port.ts';
import { ROOT } from '../support/server-process.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => database?.close());

// A device on which every write fails as on a full disk; Linux alone has it.
describe.runIf(existsSync('/dev/full'))('a server whose log cannot be written', () => {
  it('serves all the same, and ends when it is told to', async () => {
    const port = await freePort();
    const log = openSync('/dev/full', 'w');
    const server = spawn(process.execPath, ['src/main.ts'], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: database.url, PORT: String(port) },
      stdio: ['ignore', log, 'inherit'],
    });
    closeSync(log);
    const ended = once(server, 'exit');
    try {
      const answers = () => send(port, 'GET', '/readyz').then(({ status }) => status === 200);
      await until(() => answers().catch(() => false), 15_000);
      server.kill('SIGTERM');
      await until(() => server.exitCode !== null || server.signalCode !== null, 15_000);
      expect(server.exitCode).toBe(0);
    } finally {
      server.kill('SIGKILL');
      await ended;
    }
  });
});
