import type { Scenario } from './scenario.ts';
import { claims } from './scenarios/claim.ts';
import { cleanups } from './scenarios/cleanup.ts';
import { jobVerbs } from './scenarios/job-verbs.ts';
import { rescues } from './scenarios/rescue.ts';
import { settles } from './scenarios/settle.ts';
import { submits } from './scenarios/submit.ts';
import { wakes } from './scenarios/wake.ts';
import { workers } from './scenarios/workers.ts';

/** Every operation that is killed, in every situation that it is killed in. */
export const SCENARIOS: readonly Scenario[] = [
  ...[...submits, ...claims, ...settles, ...jobVerbs],
  ...[...rescues, ...wakes, ...workers, ...cleanups],
];
