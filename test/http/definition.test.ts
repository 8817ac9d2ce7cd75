import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import { writeReadable } from '../../src/http/readable-json.ts';
import { definition } from '../domain/random-definitions.ts';
import { type Anything, type TestApi, testApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

async function submitted(body: unknown): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await api.call('POST', '/v1/jobs', { headers, body });
  expect(answer.status, answer.text).toBe(202);
  return answer.json.id;
}
const definitionOf = (id: string, headers: Record<string, string> = {}) =>
  api.call('GET', `/v1/jobs/${id}/definition`, { headers });

/** What the definition alone decides of a job's rows. */
async function rowsOf(id: string): Promise<Anything> {
  const job = await api.database.pool.query(
    `select name, priority, labels, input, output_template, output_reads, timeout_ms, max_parallel, fail_fast,
       date_trunc('milliseconds', run_at) as run_at
     from job where id = $1`,
    [id],
  );
  const steps = await api.database.pool.query(
    `select ordinal, name, uses, queue, priority, needs, dependents, "if", if_uses_status, if_reads, "with", with_reads,
       continue_on_error, timeout_ms, max_attempts, max_losses, backoff, retry_delay_ms, retry_max_delay_ms, retry_jitter
     from step where job_id = $1 order by ordinal`,
    [id],
  );
  return { job: job.rows[0], steps: steps.rows };
}

describe('GET /v1/jobs/{id}/definition', () => {
  test('gives what was submitted, everything written out', async () => {
    const id = await submitted({ name: 'hello', uses: 'value', with: { b: 1, a: [null, true] } });
    const answer = await definitionOf(id);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expect(answer.json).toEqual({
      name: 'hello',
      queue: 'default',
      priority: 0,
      timeout: '30d',
      fail_fast: false,
      defaults: {
        timeout: '1d',
        retry: {
          max_attempts: 1,
          max_losses: 5,
          backoff: 'exponential',
          delay: '1s',
          max_delay: '5m',
          jitter: true,
        },
      },
      steps: [{ name: 'main', uses: 'value', with: { a: [null, true], b: 1 } }],
    });
  });

  test('makes the same rows when it is submitted again, whatever the job', async () => {
    const checks = { known: new Set(['value']), builtin: new Set(['value']), checkWith: () => [] };
    const lawful = definition.filter(
      (body) => normaliseJob(body, checks).ok && !JSON.stringify(body).includes('__proto__'),
    );
    let most = 0;
    await fc.assert(
      fc.asyncProperty(lawful, async (body) => {
        const first = await submitted(writeReadable(body));
        const given = await definitionOf(first);
        const second = await submitted(given.text);
        const rows = await rowsOf(first);
        expect(await rowsOf(second)).toEqual(rows);
        expect((await definitionOf(second)).text).toBe(given.text);
        most = Math.max(most, rows.steps.length);
      }),
      { numRuns: 60 },
    );
    expect(most).toBeGreaterThan(2);
  });

  test('says a `delay` as the instant that it led to', async () => {
    const id = await submitted({ name: 'later', uses: 'value', delay: '1h' });
    const { json: job } = await api.call('GET', `/v1/jobs/${id}`);
    const { json } = await definitionOf(id);
    expect(json.run_at).toBe(job.run_at);
    expect(json).not.toHaveProperty('delay');
  });

  test('writes numbers so that they are taken back', async () => {
    const body =
      '{"name":"n","uses":"value","with":[1e20,-9.007199254740994e15,1e300,12345678901234567.0,0.1,5e-324]}';
    const headers = { 'content-type': 'application/json' };
    const first = await api.call('POST', '/v1/jobs', { headers, body });
    expect(first.status).toBe(202);
    const given = await definitionOf(first.json.id);
    expect(given.json.steps[0].with).toEqual(JSON.parse(body).with);
    const again = await api.call('POST', '/v1/jobs', { headers, body: given.text });
    expect(again.status, again.text).toBe(202);
  });

  test('never changes, also by a retry by hand', async () => {
    const steps = [
      { name: 'a', uses: 'value', if: 'input.nothing > 1' },
      { name: 'b', uses: 'value', needs: ['a'], retry: { max_attempts: 3 } },
    ];
    const id = await submitted({ name: 'again', input: {}, priority: 7, timeout: '2h', steps });
    const before = await definitionOf(id);
    expect((await api.call('POST', `/v1/jobs/${id}/retry`)).status).toBe(200);
    await api.call('POST', `/v1/jobs/${id}/cancel`, { body: {} });
    await api.call('POST', `/v1/jobs/${id}/retry`);
    const after = await definitionOf(id);
    expect(after.text).toBe(before.text);
    expect(after.json.steps[1].retry ?? after.json.defaults.retry).toMatchObject({ max_attempts: 3 });
    expect(after.headers.etag).toBe(before.headers.etag);
  });

  test('has a strong ETag, and answers 304 to whoever has it', async () => {
    const id = await submitted({ name: 'hello', uses: 'value' });
    const { etag } = (await definitionOf(id)).headers;
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    const again = await definitionOf(id, { 'if-none-match': `"other", ${etag}` });
    expect([again.status, again.text, again.headers.etag]).toEqual([304, '', etag]);
    expect((await definitionOf(id, { 'if-none-match': '"other"' })).status).toBe(200);
    const head = await api.call('HEAD', `/v1/jobs/${id}/definition`);
    expect([head.status, head.headers.etag]).toEqual([200, etag]);
  });

  test('is there for a job of 10,000 steps', async () => {
    const steps = Array.from({ length: 10_000 }, (_, n) => ({
      name: `s${n}`,
      uses: 'value',
      with: { checksum: `${n}`.padStart(64, '0') },
      ...(n > 0 ? { needs: [`s${n >> 1}`].filter((name) => name !== `s${n}`) } : {}),
    }));
    const body = { name: 'large', steps };
    const id = await submitted(body);
    const from = performance.now();
    const { json } = await definitionOf(id);
    process.stderr.write(`the definition of 10,000 steps: ${Math.round(performance.now() - from)} ms\n`);
    expect(json.steps.map(({ name, uses, with: given }: Anything) => [name, uses, given])).toEqual(
      steps.map((step) => [step.name, step.uses, step.with]),
    );
  });

  test('is asked for in vain where there is no job', async () => {
    for (const id of ['019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a10', 'nonsense']) {
      const answer = await definitionOf(id);
      expect([answer.status, answer.json.code]).toEqual([404, 'job_not_found']);
    }
    const id = await submitted({ name: 'hello', uses: 'value' });
    const answer = await api.call('GET', `/v1/jobs/${id}/definition?format=yaml`);
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_query']);
  });
});
