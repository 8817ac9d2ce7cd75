import fc from 'fast-check';
import { stringify as stringifyToml } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { stringify as stringifyYaml } from 'yaml';
import { normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import type { FormatName } from '../../src/http/bodies/formats.ts';
import { answerQuestion } from '../../src/http/bodies/parse-body.ts';

const actions = { known: new Set(['value']), builtin: new Set(['value']), checkWith: () => [] };

// What YAML and TOML could take for something else, besides anything. The library that writes YAML does not write lines
// of nothing but blanks as it would read them.
const text = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.string({ unit: fc.constantFrom(...'-?:,[]{}#&*!|>\'"%@`~=. \n\t\\$<x0'), maxLength: 8 }),
    fc.constantFrom(...['yes', 'null', '~', '0x1f', '1e3', '007', '.inf', '2026-11-21', '<<', '---', '...']),
    fc.constantFrom('!failure()', '*', '&a', '${{ true ? "b: #" : "c" }}', '# no comment'),
  )
  .filter((written) => !/\n/.test(written) || !/^[ \t]+$/m.test(written));
// The library writes `<<` without quotes, which is a merge key and refused.
const key = text.filter((name) => name !== '__proto__' && name !== '<<');
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })).filter((value) => {
  return !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value));
});

/** Any JSON without null, which TOML does not have. */
const value = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'json' },
    text,
    number,
    fc.boolean(),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(key, tie('json'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).json;

const definition: fc.Arbitrary<JsonObject> = fc
  .record({
    name: fc.string({ minLength: 1, maxLength: 20 }).map((name) => `x${name}`),
    input: value,
    labels: fc.dictionary(
      text.filter((name) => !['', '__proto__', '<<'].includes(name) && !name.includes(':')),
      text,
      { maxKeys: 3, noNullPrototype: true },
    ),
    max_parallel: fc.integer({ min: 1, max: 9 }),
    withs: fc.array(value, { minLength: 1, maxLength: 4 }),
  })
  .map(({ withs, ...job }) => ({
    ...job,
    steps: withs.map((given, index) => ({
      name: `s${index}`,
      uses: 'value',
      with: given,
      ...(index === 0 ? {} : { needs: [`s${index - 1}`], if: '!failure()' }),
    })),
  }));

const WRITERS: [FormatName, (job: JsonObject) => string][] = [
  ['json', (job) => JSON.stringify(job, null, 2)],
  ['yaml', (job) => stringifyYaml(job, { aliasDuplicateObjects: false })],
  ['yaml', (job) => stringifyYaml(job, QUOTED)],
  ['toml', stringifyToml],
];

const QUOTED = {
  aliasDuplicateObjects: false,
  collectionStyle: 'flow',
  defaultStringType: 'QUOTE_DOUBLE',
  lineWidth: 0,
} as const;

// Without the order of keys, since TOML writes tables last.
const asJson = (value: unknown) => JSON.parse(JSON.stringify(value));

describe.each(WRITERS)('any job, written as %s', (format, write) => {
  test('is the same job', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(definition, async (job) => {
        const written = write(job);
        const reply = await answerQuestion({ format, text: written });
        if (!reply.ok) throw new Error(`${reply.detail}\n${written}`);
        const [here, there] = [normaliseJob(job, actions), normaliseJob(reply.value as Json, actions)];
        expect(asJson(there)).toEqual(asJson(here));
        if (!here.ok) return;
        accepted++;
        const again = await answerQuestion({ format, text: write(here.job.definition) });
        expect(again.ok && asJson(again.value)).toEqual(asJson(here.job.definition));
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  test('has each of its places on the line on which it stands', async () => {
    await fc.assert(
      fc.asyncProperty(definition, fc.nat({ max: 3 }), async (job, nat) => {
        const marked = structuredClone(job);
        const steps = marked.steps as JsonObject[];
        const index = nat % steps.length;
        (steps[index] as JsonObject).queue = 'holdfast-mark';
        const written = write(marked);
        const line = written.slice(0, written.indexOf('holdfast-mark')).split('\n').length;
        const pointers = [`/steps/${index}/queue`, `/steps/${index}/nothing/like/it`];
        const reply = await answerQuestion({ format, text: written, pointers });
        if (!reply.ok) throw new Error(`${reply.detail}\n${written}`);
        const [found, missing] = reply.value as (number | null)[];
        expect(found, written).toBe(line);
        expect(missing, written).toBeLessThanOrEqual(line);
      }),
      { numRuns: 150 },
    );
  });
});
