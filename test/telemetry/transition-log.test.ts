import pino from 'pino';
import { expect, it } from 'vitest';
import { openDraft } from '../../src/domain/moves/draft.ts';
import { transitionLog } from '../../src/telemetry/transition-log.ts';
import { until } from '../support/embedded.ts';

function logOf(level: string) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level, base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, write: transitionLog(log) };
}

/** A job some of whose steps have just begun. */
function begun(steps: number) {
  const job = { id: 'j', name: 'busy', status: 'running', version: 2, steps_total: 10 };
  const draft = openDraft(job as never, [], 0);
  for (let ordinal = 0; ordinal < steps; ordinal += 1) {
    draft.steps.set(ordinal, { ordinal, name: `s${ordinal}`, status: 'running', attempt: 1 } as never);
    draft.before.set(ordinal, { ordinal, name: `s${ordinal}`, status: 'ready', attempt: 0 } as never);
  }
  return draft;
}

it('writes no more lines of steps than somebody can read, and then how many there were', async () => {
  const { lines, write } = logOf('info');
  for (let times = 0; times < 30; times += 1) write([begun(10)]);
  const told = () => lines.find(({ moves }) => moves !== undefined);
  await until(() => told() !== undefined);
  expect([lines.filter(({ step }) => step !== undefined).length, told()?.moves]).toEqual([200, 100]);
  write([begun(1)]);
  expect(lines.at(-1)).toMatchObject({ step: 's0', status: 'running' });
});

it('writes all of them at debug', () => {
  const { lines, write } = logOf('debug');
  for (let times = 0; times < 30; times += 1) write([begun(10)]);
  expect(lines).toHaveLength(300);
});
