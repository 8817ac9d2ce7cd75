import { anyJson, REMOTE_ACTIONS, type Source } from './from-schema.ts';
import type { Chance } from './random.ts';

type Fields = Record<string, unknown>;

/** Scripts that change nothing, whatever becomes of them. */
const SCRIPTS = [
  'true',
  'exit 3',
  'echo hi',
  'echo \'{"a":1}\'',
  'echo err >&2',
  'sleep 0.05',
  'printf "\\0\\377"',
];
// Loopback, which the filter refuses, and names that lead nowhere: nothing leaves this machine.
const URLS = ['http://127.0.0.1:9/', 'http://localhost:1/x?y=1', 'http://[::1]:9/', 'https://127.0.0.1:9'];
const CONDITIONS = [
  'true',
  'always()',
  '!failure()',
  'failure()',
  'size("abc") > 2',
  'input == null',
  '1 / 0 > 1',
];

/** Gives a step that the schema takes an action, and a `with` that fits it. */
export function finishStep(step: Fields, { chance }: Source): Fields {
  const uses = chance.weighed({ value: 6, remote: 6, shell: 0.5, wait: 2, http: 0.7 });
  const finished: Fields = { ...step, uses: uses === 'remote' ? chance.pick(REMOTE_ACTIONS) : uses };
  delete finished.with;
  if (uses !== 'remote' || chance.is(0.5)) finished.with = withOf(uses, chance);
  if (finished.if !== undefined) finished.if = chance.pick(CONDITIONS);
  return finished;
}

function withOf(uses: string, chance: Chance): unknown {
  if (uses === 'shell')
    return { run: chance.pick(SCRIPTS), ...(chance.is(0.3) ? { env: { A: anyJson(chance, 1) } } : {}) };
  if (uses === 'wait')
    return chance.is(0.8) ? { for: chance.pick(['1ms', '100ms', '2s']) } : { until: '2020-01-01T00:00:00Z' };
  if (uses === 'http') return { url: chance.pick(URLS), method: chance.pick(['GET', 'POST']) };
  if (chance.is(0.2)) return { rendered: chance.pick(['${{ input }}', '${{ job.id }}', 'x ${{ 1 + 2 }}']) };
  return anyJson(chance, 2);
}

/** Makes a graph of the steps: names that are unique, needs that lead upwards. */
export function finishDefinition(job: Fields, source: Source): Fields {
  const { chance } = source;
  const { steps, ...rest } = job;
  if (chance.is(0.5)) delete rest.run_at;
  if (rest.run_at !== undefined || chance.is(0.6)) delete rest.delay;
  if (typeof rest.output === 'string') rest.output = '${{ input }}';
  if (!Array.isArray(steps) || steps.length === 0) return finishStep(rest, source);
  for (const key of ['uses', 'with', 'if', 'retry', 'continue_on_error']) delete rest[key];
  const names = steps.map((_, index) => `s${index}`);
  const wired = steps.map((step: Fields, index) => {
    const { needs: _needs, enables: _enables, ...own } = step;
    const above = names.slice(0, index).filter(() => chance.is(0.5));
    return { ...own, name: names[index], ...(above.length > 0 ? { needs: above } : {}) };
  });
  return { ...rest, steps: wired };
}

/** A script that says nothing else than the text it was given, whatever that is. */
export function asHarmlessScript(text: string): string {
  return `true '${text.replaceAll("'", '')}'`;
}
