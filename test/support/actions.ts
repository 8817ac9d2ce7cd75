import { ALL_ACTIONS, actionChecks, createCatalogue } from '../../src/actions/catalogue.ts';
import { createOutbound } from '../../src/outbound/outbound.ts';

/** Every built-in action, for tests of what describes and checks them. */
export const CATALOGUE = createCatalogue({
  actions: ALL_ACTIONS,
  shellEnv: [],
  environment: process.env,
  outbound: createOutbound({ allow: [], userAgent: 'holdfast/test' }),
});
export const CHECKS = actionChecks(CATALOGUE);
