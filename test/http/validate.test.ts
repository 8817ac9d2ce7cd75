import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { type TestApi, testApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const validate = (body: unknown) => api.call('POST', '/v1/jobs/validate', { body });

const diamond = {
  name: 'diamond',
  delay: 60,
  steps: [
    { name: 'd', uses: 'value', needs: ['b', 'c'], with: '${{ needs.map(n, n.output) }}' },
    { name: 'b', uses: 'value', needs: ['a'], retry: { max_attempts: 2 } },
    { name: 'a', uses: 'value', enables: ['c'] },
    { name: 'c', uses: 'value' },
  ],
};

describe('POST /v1/jobs/validate', () => {
  test('writes the definition so that it is taken again, numbers past 2^53 too', async () => {
    const headers = { 'content-type': 'application/json' };
    const send = (body: string) => api.call('POST', '/v1/jobs/validate', { headers, body });
    const { text } = await send('{"name": "large", "input": [1e20, -2.5e300, 1.5], "uses": "value"}');
    const written = text.slice(text.indexOf(':') + 1, text.indexOf(',"plan"'));
    expect((await send(written)).json.definition).toMatchObject({ input: [1e20, -2.5e300, 1.5] });
  });

  test('answers the definition written out, the levels of its steps, and warnings', async () => {
    const answer = await validate(diamond);
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      definition: {
        name: 'diamond',
        queue: 'default',
        priority: 0,
        delay: '1m',
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
        steps: [
          { name: 'd', needs: ['b', 'c'], uses: 'value', with: '${{ needs.map(n, n.output) }}' },
          { name: 'b', needs: ['a'], uses: 'value', retry: { max_attempts: 2 } },
          { name: 'a', uses: 'value' },
          { name: 'c', needs: ['a'], uses: 'value' },
        ],
      },
      plan: [['a'], ['b', 'c'], ['d']],
      warnings: [],
    });
  });

  test('gives a definition that is accepted as it is, and comes back the same', async () => {
    const first = await validate(diamond);
    const again = await validate(first.json.definition);
    expect(again.json).toEqual(first.json);
    const submitted = await api.call('POST', '/v1/jobs', { body: first.json.definition });
    expect([submitted.status, submitted.json.status]).toEqual([202, 'scheduled']);
  });

  test('stores nothing, and asks no database', async () => {
    const count = async () =>
      (await sql<{ n: number }>`select count(*)::int as n from job`.execute(api.store.db)).rows[0]?.n;
    const before = await count();
    await validate(diamond);
    expect(await count()).toBe(before);

    const pool = createPool({
      connection: 'postgres://nobody:secret@127.0.0.1:1/x',
      max: 1,
      applicationName: 'away',
    });
    const away = await testApi({ store: { db: createDatabase(pool), wakeUps: createWakeUps() } });
    expect((await away.call('POST', '/v1/jobs/validate', { body: diamond })).status).toBe(200);
    await away.close();
    await pool.end();
  });

  test.each<[string, unknown]>([
    ['a wrong field', { name: 'x', uses: 'value', depends_on: [] }],
    [
      'a circle',
      {
        name: 'x',
        steps: [
          { name: 'a', uses: 'value', needs: ['b'] },
          { name: 'b', uses: 'value', needs: ['a'] },
        ],
      },
    ],
    ['no job', []],
    ['nothing', undefined],
    ['a number that would be rounded', '{"name":"x","uses":"value","input":9007199254740993}'],
    ['no JSON', '{'],
    ['a job with warnings', { name: 'x', uses: 'resize', retry: { delay: '1s' } }],
    ['an action that is off', { name: 'x', uses: 'shell', with: { run: 'x' } }],
  ])('says of %s what submit says', async (_what, body) => {
    const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
    const checked = await api.call('POST', '/v1/jobs/validate', { body, headers });
    const submitted = await api.call('POST', '/v1/jobs', { body, headers });
    if (submitted.status === 202) {
      expect(checked.status).toBe(200);
      expect(checked.json.warnings.length).toBeGreaterThan(0);
      expect(checked.json.warnings).toEqual(submitted.json.warnings);
    } else {
      const said = ({ code, detail, errors }: { code: string; detail: string; errors: unknown }) => ({
        code,
        detail,
        errors,
      });
      expect(checked.status).toBe(submitted.status);
      expect(said(checked.json)).toEqual(said(submitted.json));
    }
  });

  test('is no job, whatever the method', async () => {
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const answer = await api.call(method, '/v1/jobs/validate');
      expect([answer.status, answer.json.code, answer.headers.allow], method).toEqual([
        405,
        'method_not_allowed',
        'POST',
      ]);
    }
    const below = await api.call('GET', '/v1/jobs/validate/steps');
    expect([below.status, below.json.code]).toEqual([404, 'job_not_found']);
  });

  test('takes no query', async () => {
    const answer = await api.call('POST', '/v1/jobs/validate?wait=5s', { body: diamond });
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_query']);
  });
});
