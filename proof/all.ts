/**
 * The long form of the tests of the engine: many seeds of both model tests (one store, in turn; up to three servers, in
 * turn and at once), a minute of two servers on one database, a chain of 10,000 steps run to its end, 500 steps for the
 * workers among the examples, every crash point, a storm of five minutes. `npm run proof`; MINUTES (default 10) says how
 * long the model tests go on. Ends at the first failure, with the line that replays it. Fuzz, overload and soak are
 * commands of their own.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MINUTES = Number(process.env.MINUTES ?? 10);
const SEEDS_AT_ONCE = 10;
const OPERATIONS = 600;
const SERVER_SEEDS_AT_ONCE = 6;
const SERVER_OPERATIONS = 300;
const ours = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const vitest = fileURLToPath(new URL('../node_modules/.bin/vitest', import.meta.url));

/** Runs one test file with settings of its own. */
function prove(what: string, file: string, settings: Record<string, string>): void {
  run(what, vitest, ['run', file], settings);
}

/** Runs a program; ends the proof when it fails. */
function run(what: string, program: string, parameters: string[], settings: Record<string, string>): void {
  process.stdout.write(`\n${what}\n`);
  const { status } = spawnSync(program, parameters, {
    stdio: 'inherit',
    env: { ...process.env, ...settings },
  });
  if (status !== 0) {
    process.stderr.write(`proof failed: ${what}\n`);
    process.exit(1);
  }
}

let seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1_000_000_000));
let operations = 0;

prove('two servers on one database for a minute', 'test/engine/concurrency.test.ts', { SECONDS: '60' });
prove('a chain of 10,000 steps, to its end', 'test/engine/scale.test.ts', { CHAIN: '10000' });
prove('what was tried', 'test/engine/tried', {});
prove('500 steps for workers in bash and Python', 'test/server/example-workers.test.ts', { STEPS: '500' });
run('every crash point', process.execPath, [ours('crash-points')], {});
run('a storm of five minutes', process.execPath, [ours('storm'), '--minutes', '5'], {});
const started = performance.now();
while (performance.now() - started < MINUTES * 60_000) {
  const seeds = Array.from({ length: SEEDS_AT_ONCE }, (_, i) => seed + i);
  const settings = { SEED: seeds.join(), OPERATIONS: String(OPERATIONS) };
  prove(`the model test, seeds ${seeds[0]} to ${seeds.at(-1)}`, 'test/engine/model.test.ts', settings);
  const some = { SEED: seeds.slice(0, SERVER_SEEDS_AT_ONCE).join(), OPERATIONS: String(SERVER_OPERATIONS) };
  prove(`up to three servers, seeds ${some.SEED}`, 'test/proof/model-servers.test.ts', some);
  seed += SEEDS_AT_ONCE;
  operations += SEEDS_AT_ONCE * OPERATIONS + SERVER_SEEDS_AT_ONCE * SERVER_OPERATIONS;
}
process.stdout.write(`\nproved: ${operations} random operations as the oracle says\n`);
