import { describeModel } from './model-suite.ts';

// One that stays, and one of the day, so that each day looks elsewhere; more in the long form.
describeModel('test/engine/model-servers.test.ts', {
  seeds: [1, Math.floor(Date.now() / 86_400_000)],
  operations: 80,
});
