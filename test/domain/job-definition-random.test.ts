import { Ajv } from 'ajv';
import { default as formats } from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobDefinition, RetryDefinition, StepDefinition } from '../../src/contract/job-definition.ts';
import { normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import { actions, definition, longForm } from './random-definitions.ts';

const ajv = new Ajv({ allErrors: true, strict: false });
formats.default(ajv);
ajv.addSchema([RetryDefinition, StepDefinition]);
const matchesSchema = ajv.compile(JobDefinition);

describe('normaliseJob, for any definition', () => {
  it('gives a definition that normalises to itself, and to the same job', () => {
    let accepted = 0;
    fc.assert(
      fc.property(definition, (body) => {
        const first = normaliseJob(body, actions);
        if (!first.ok) return;
        accepted++;
        const text = JSON.stringify(first.job.definition);
        const second = normaliseJob(JSON.parse(text) as Json, actions);
        if (!second.ok) throw new Error(JSON.stringify(second.problems));
        expect(JSON.stringify(second.job.definition)).toBe(text);
        const { definition: _, warnings: __, ...job } = first.job;
        expect(JSON.parse(JSON.stringify(second.job))).toMatchObject(JSON.parse(JSON.stringify(job)));
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  it('accepts only what the published schema describes, and gives back the same', () => {
    fc.assert(
      fc.property(definition, (body) => {
        const result = normaliseJob(body, actions);
        if (!result.ok) return;
        expect(matchesSchema(body), JSON.stringify(matchesSchema.errors)).toBe(true);
        expect(matchesSchema(result.job.definition), JSON.stringify(matchesSchema.errors)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses with a cycle that is really there, or with a read of what is really not above', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(longForm, (body) => {
        const result = normaliseJob(body, actions);
        if (result.ok) return;
        const list = body.steps as { name: string; needs?: string[]; enables?: string[] }[];
        const needsOf = (name: string) => [
          ...(list.find((step) => step.name === name)?.needs ?? []),
          ...list.filter(({ enables }) => enables?.includes(name)).map((step) => step.name),
        ];
        for (const { code, detail } of result.problems) {
          seen.add(code);
          if (code !== 'cycle') continue;
          const circle = (detail.split(': ')[1] as string).split(' → ');
          expect(circle.length).toBeGreaterThan(1);
          expect(circle[0]).toBe(circle.at(-1));
          for (const [index, name] of circle.slice(0, -1).entries()) {
            expect(needsOf(name)).toContain(circle[index + 1]);
          }
        }
      }),
      { numRuns: 300 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(['cycle', 'self_need', 'not_an_ancestor']));
  });

  it('never throws, whatever the body, and points to places that are there', () => {
    const keys = fc.constantFrom(
      'name',
      'steps',
      'uses',
      'needs',
      'retry',
      'defaults',
      'with',
      'labels',
      'run_at',
      'x/~',
    );
    const anything = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom<Json[]>('a', 'a\0', '5s', '${{', '${{ steps.a.output }}', 0, -1, 1.5, true, null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(keys, tie('value'), { maxKeys: 6 }),
      ),
    })).value;
    fc.assert(
      fc.property(anything, (body) => {
        const result = normaliseJob(body, actions);
        if (result.ok) return;
        expect(result.problems.length).toBeGreaterThan(0);
        for (const { pointer, detail } of result.problems) {
          expect(detail).not.toMatch(/undefined|NaN|\[object/);
          let at: unknown = body;
          for (const part of pointer.split('/').slice(1)) {
            const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
            if (pointer === '/steps' && at !== null && !Object.hasOwn(at as object, key)) break;
            expect(at).toHaveProperty([key]);
            at = (at as Record<string, unknown>)[key];
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the published schema', () => {
  it('has examples that are lawful', () => {
    const examples = (JobDefinition as unknown as { examples: Json[] }).examples;
    const known = new Set(['shell', 'value']);
    for (const example of examples) {
      expect(matchesSchema(example), JSON.stringify(matchesSchema.errors)).toBe(true);
      expect(normaliseJob(example, { ...actions, known })).toMatchObject({ ok: true, job: { warnings: [] } });
    }
  });

  it.each<[JsonObject]>([
    [{ uses: 'value' }],
    [{ name: ' ', uses: 'value' }],
    [{ name: 'j', steps: [] }],
    [{ name: 'j', steps: [{ name: '-a', uses: 'value' }] }],
    [{ name: 'j', steps: [{ name: 'a', uses: 'Value' }] }],
    [{ name: 'j', steps: [{ name: 'a', uses: 'value', depends_on: [] }] }],
    [{ name: 'j', uses: 'value', timeout: 'soon' }],
    [{ name: 'j', uses: 'value', timeout: '' }],
    [{ name: 'j', uses: 'value', labels: { 'a:b': 'x' } }],
    [{ name: 'j', uses: 'value', labels: { a: 5 } }],
    [{ name: 'j', uses: 'value', retry: { backoff: 'cubic' } }],
    [{ name: 'j', uses: 'value', max_parallel: 0 }],
    [{ name: 'j', uses: 'value', priority: 101 }],
  ])('refuses %j, as the rules do', (body) => {
    expect(matchesSchema(body)).toBe(false);
    expect(normaliseJob(body, actions).ok).toBe(false);
  });
});

describe('a job of 10,000 steps', () => {
  const large = (fields: (index: number) => JsonObject): JsonObject => ({
    name: 'large',
    steps: Array.from({ length: 10_000 }, (_, index) => ({
      name: `s${index}`,
      uses: 'value',
      ...fields(index),
    })),
  });

  it.each<[string, JsonObject, number]>([
    ['side by side', large((index) => ({ with: { index } })), 1],
    ['in a chain', large((index) => (index === 0 ? {} : { needs: [`s${index - 1}`] })), 10_000],
    [
      'in a chain where each reads the one before',
      large((index) =>
        index === 0 ? {} : { needs: [`s${index - 1}`], with: { x: `\${{ steps.s${index - 1}.output }}` } },
      ),
      10_000,
    ],
    [
      'in a chain where each reads one far above',
      large((index) =>
        index === 0 ? {} : { needs: [`s${index - 1}`], with: `\${{ steps.s${index >> 1}.output }}` },
      ),
      10_000,
    ],
    [
      'under one join',
      large((index) => (index < 9999 ? {} : { needs: Array.from({ length: 9999 }, (_, i) => `s${i}`) })),
      2,
    ],
  ])('%s is taken quickly', (_, body, levels) => {
    // Ten times what it takes on an idle machine: this is to notice what grows with the square of the steps. Processor
    // time, and the least of three: others use the machine too.
    const spent = [1, 2, 3].map(() => {
      const before = process.cpuUsage();
      const result = normaliseJob(body, actions);
      expect(result.ok && result.job.levels.length).toBe(levels);
      return process.cpuUsage(before).user / 1000;
    });
    expect(Math.min(...spent)).toBeLessThan(1500);
  });
});
