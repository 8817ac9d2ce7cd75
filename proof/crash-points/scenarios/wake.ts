import { sql } from 'kysely';
import { decideConditions } from '../../../src/operations/decide-conditions.ts';
import { decideOutputs } from '../../../src/operations/decide-outputs.ts';
import { startScheduledJobs } from '../../../src/operations/start-scheduled-jobs.ts';
import { wakeSteps } from '../../../src/operations/wake-steps.ts';
import { scenario } from '../scenario.ts';
import { FAILED, letWaitsPass, step, submit, takeAndEnd } from './situation.ts';

export const wakes = [
  scenario({
    name: 'wake: a timer and a retry that are due',
    async prepare(store) {
      const timer = step('a', [], { uses: 'wait', with: { for: '1h' } });
      await submit(store, 'timer', [timer, step('b', ['a'])]);
      await takeAndEnd(store, 1, { kind: 'parked', for_ms: 3_600_000, output: null }, 'wait');
      await submit(store, 'tried', [step('a', [], { retry: { max_attempts: 3 } }), step('b', ['a'])]);
      await takeAndEnd(store, 1, FAILED);
      await letWaitsPass(store);
      return {};
    },
    run: (store) => wakeSteps(store),
    again: (store) => wakeSteps(store),
  }),
  scenario({
    name: 'wake: steps whose condition is due',
    async prepare(store) {
      const condition = { if: 'steps.a.output.n == 1' };
      await submit(store, 'first', [step('a'), step('b', ['a'], condition), step('c', ['b'])]);
      await submit(store, 'second', [step('a'), step('b', ['a'], condition)]);
      await takeAndEnd(store, 2);
      return {};
    },
    run: (store) => decideConditions(store),
    again: (store) => decideConditions(store),
  }),
  scenario({
    name: 'wake: the output of a job',
    async prepare(store) {
      await submit(store, 'told', [step('a')], { output: { n: '${{ steps.a.output.n }}' } });
      await takeAndEnd(store, 1);
      return {};
    },
    run: (store) => decideOutputs(store),
    again: (store) => decideOutputs(store),
  }),
  scenario({
    name: 'wake: scheduled jobs that are due',
    async prepare(store) {
      await submit(store, 'first', [step('a'), step('b', ['a'])], { delay: '1h' });
      await submit(store, 'second', [step('a')], { delay: '1h' });
      await sql`update job set run_at = clock_timestamp() - interval '1 minute'`.execute(store.db);
      return {};
    },
    run: (store) => startScheduledJobs(store),
    again: (store) => startScheduledJobs(store),
  }),
];
