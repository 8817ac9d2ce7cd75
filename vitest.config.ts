import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** What takes long: whole programs started again and again, bodies made to be slow, the short forms of `proof/`. */
const LONG = [
  'test/bench/ours.test.ts',
  'test/bench/peers-holdfast.test.ts',
  'test/cli/command-line.test.ts',
  'test/client/package.test.ts',
  'test/database/embedded-postgres.test.ts',
  'test/database/plans.test.ts',
  'test/docs/pages.test.ts',
  'test/engine/scale.test.ts',
  'test/http/bodies-bombs.test.ts',
  'test/http/edges-slow.test.ts',
  'test/http/overload.test.ts',
  'test/proof/*.test.ts',
  'test/server/database-restart.test.ts',
  'test/server/example.test.ts',
  'test/server/example-workers.test.ts',
  'test/server/http-again.test.ts',
  'test/server/http-steps.test.ts',
  'test/server/listen.test.ts',
  'test/server/restart.test.ts',
  'test/server/start.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'suite', include: ['test/**/*.test.ts'], exclude: LONG } },
      // Three of them at once may keep each other waiting on two cores.
      { extends: true, test: { name: 'long', include: LONG, testTimeout: 60_000, hookTimeout: 90_000 } },
    ],
    globalSetup: ['test/support/global-setup.ts'],
    // Real processes: tests start children, send signals and hold connections.
    pool: 'forks',
    // Files share their process and its modules: loading those anew for each took a tenth of the time. What a file
    // starts it ends, so that none notices the one before.
    isolate: false,
    // Much of a test is waiting for a process or a clock, so a small machine has time for three files at once.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    coverage: {
      provider: 'v8',
      include: ['src/domain/**'],
      // The rules are pure, so nothing excuses a line that no test reaches.
      thresholds: { 'src/domain/**': { statements: 100, branches: 100, functions: 100, lines: 100 } },
    },
  },
});
