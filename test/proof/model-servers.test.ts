import { describeModel } from '../engine/model-suite.ts';

const day = 100 * Math.floor(Date.now() / 86_400_000);

describeModel('test/proof/model-servers.test.ts', {
  seeds: [2, 4, day, day + 1],
  operations: 150,
});
