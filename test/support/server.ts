import pg from 'pg';
import { addressOf } from '../../src/database/connection.ts';

/** Runs one statement over a connection of its own. */
export async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client(addressOf(url));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The same server, another database. */
export function withDatabase(url: string, database: string): string {
  return url.replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${database}`);
}
