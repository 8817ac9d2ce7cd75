/**
 * Requests made from the server's own OpenAPI document, valid, nearly valid and broken at the wire, by the hundred
 * thousand: no answer may be a 5xx, every refusal is a problem document, every answer is as the document says, and the
 * server stays small. `node proof/fuzz.ts --requests 200000 --seed 1`; `--only N` sends request N of a seed alone, after
 * those that make what it may be about. Ends with 1 when a promise was broken. Ctrl-C ends all that it started.
 */
import { parseArgs } from 'node:util';
import { newDataDir, startOwner, urlOf } from '../test/support/embedded.ts';
import { startServer, stopEverything } from '../test/support/server-process.ts';
import { type FuzzVerdict, runFuzz } from './fuzz/run-fuzz.ts';
import { printTable } from './fuzz/tally.ts';

const { values } = parseArgs({
  // After `npm run`, and as people write it, the options come behind two dashes.
  args: process.argv.slice(2).filter((given, at) => at > 0 || given !== '--'),
  options: {
    requests: { type: 'string', default: '200000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
    lanes: { type: 'string', default: '16' },
    'most-memory': { type: 'string', default: '1024' },
    minutes: { type: 'string', default: '60' },
    only: { type: 'string' },
  },
});

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function prove(): Promise<FuzzVerdict> {
  const owner = await startOwner(newDataDir(), { settings: {} });
  const databaseUrl = urlOf(owner.connection);
  const server = await startServer({ DATABASE_URL: databaseUrl });
  const { requests, seed, lanes, only } = values;
  say(`seed ${seed}, server ${server.pid} at ${server.url}`);
  return await runFuzz({
    ...{ server, databaseUrl, say, signal: interrupted.signal, long: true },
    mostMs: Number(values.minutes) * 60_000,
    ...{ seed: Number(seed), requests: Number(requests), lanes: only === undefined ? Number(lanes) : 1 },
    ...{ mostMemory: Number(values['most-memory']), ...(only === undefined ? {} : { only: Number(only) }) },
  });
}

try {
  const { wrong, figures, tally } = await prove();
  for (const line of printTable(tally.table)) say(line);
  say('');
  for (const [what, value] of figures) say(`${what.padEnd(28)} ${value}`);
  for (const one of wrong) say(`\nBROKEN: ${one}`);
  const isProved = wrong.length === 0 && !interrupted.signal.aborted;
  say(isProved ? '\nproved: every answer is one that the document describes' : '\nnot proved');
  process.exitCode = isProved ? 0 : 1;
} catch (error) {
  say(`not proved: ${(error as Error).stack}`);
  process.exitCode = 1;
} finally {
  await stopEverything();
}
// A request that was given up on may still hold the process.
process.exit();
