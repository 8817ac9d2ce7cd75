/** `npm run db:schema`: writes migrations/schema.sql from a freshly migrated database, for people to read. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDatabase, createPool } from '../src/database/connection.ts';
import { startEmbeddedPostgres } from '../src/database/embedded/embedded-postgres.ts';
import { migrate } from '../src/database/migrations.ts';
import { dumpSchema } from '../src/database/schema-dump.ts';

const target = fileURLToPath(new URL('../migrations/schema.sql', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'holdfast-schema-'));
// As root the database runs as another user, which must get in.
chmodSync(folder, 0o755);

const log = { info: console.error, warn: console.error, error: console.error };
const postgres = await startEmbeddedPostgres({ dataDir: folder, log, settings: { fsync: 'off' } });
try {
  await migrate(postgres.connection);
  const db = createDatabase(
    createPool({ connection: postgres.connection, max: 1, applicationName: 'holdfast schema' }),
  );
  const header = '-- What the migrations make. Written by `npm run db:schema`; do not edit.\n\n';
  writeFileSync(target, header + (await dumpSchema(db)));
  await db.destroy();
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
