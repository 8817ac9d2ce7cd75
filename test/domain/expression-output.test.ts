import { describe, expect, it } from 'vitest';
import { renderOutput, renderTemplate, type Scope } from '../../src/domain/expression/evaluate.ts';

const scope: Scope = {
  job: { id: 'j1' },
  input: { n: 5 },
  steps: {
    build: { output: { tag: 'v1' }, status: 'succeeded' },
    publish: { output: null, status: 'skipped' },
  },
  needs: [],
};

describe("a job's output", () => {
  it('gives null for what it reads below a step that did not succeed, and the rest as it is', () => {
    const template = {
      tag: '${{ steps.build.output.tag }}',
      url: '${{ steps.publish.output.stdout }}',
      said: 'url: ${{ steps.publish.output.stdout }}',
      status: '${{ steps.publish.status }}',
    };
    expect(renderOutput(template, scope)).toEqual({
      ok: true,
      value: { tag: 'v1', url: null, said: 'url: null', status: 'skipped' },
    });
    expect(renderTemplate(template, scope).ok).toBe(false);
  });

  it('fails on an error that no missing output explains', () => {
    for (const template of ['${{ steps.build.output.nothing }}', '${{ input.nothing }}']) {
      expect(renderOutput(template, scope)).toMatchObject({ ok: false, error: { code: 'expression_error' } });
    }
  });

  it('fails when its budget is used up, whatever it reads', () => {
    const hundred = JSON.stringify(Array.from({ length: 100 }, (_, index) => index));
    const costly = `${hundred}.map(a, ${hundred}.map(b, string(a) + string(b) + string(a) + string(b))).size()`;
    const many = Array.from({ length: 60 }, () => `\${{ [${costly}, steps.publish.output][0] }}`);
    expect(JSON.stringify(renderOutput(many, scope))).toContain('too many operations');
  });
});
