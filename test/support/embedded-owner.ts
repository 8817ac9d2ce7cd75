/**
 * Holds an embedded PostgreSQL for a test run: prints its connection as one line of JSON and lives until its
 * standard input closes, which also happens when the run is killed; then it stops the database.
 * Arguments: the data folder; settings as JSON; `remove` to delete the folder in the end.
 */
import { rmSync } from 'node:fs';
import { startEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.ts';

const [dataDir = '', settings = '{}', atTheEnd] = process.argv.slice(2);
const report = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const quiet = () => {};

try {
  const log = { info: quiet, warn: quiet, error: quiet };
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings: JSON.parse(settings) });
  report({ connection: postgres.connection, tookOver: postgres.tookOver });
  process.stdin.resume();
  process.stdin.once('close', async () => {
    await postgres.stop();
    if (atTheEnd === 'remove') rmSync(dataDir, { recursive: true, force: true });
    process.exit(0);
  });
} catch (error) {
  report({ error: (error as Error).message, name: (error as Error).name });
  process.exit(1);
}
