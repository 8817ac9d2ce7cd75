import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { storeJob } from './stored-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const names = (answer: { json: { data: { name: string }[] } }) => answer.json.data.map((job) => job.name);

describe('GET /v1/jobs', () => {
  test('pages through every job once, newest first, also those of one microsecond and of neighbouring ones', async () => {
    const times = ['.000001', '.000001', '.000001', '.000002', '.000003', '.999999', '.5'];
    const stored: { name: string; at: string; id: string }[] = [];
    for (const [i, fraction] of times.entries()) {
      const at = `2026-11-20 08:00:00${fraction}+00`;
      const id = await storeJob(api.store, { name: `page-${i}`, created_at: at, labels: '{"suite":"page"}' });
      stored.push({ name: `page-${i}`, at: fraction.padEnd(7, '0'), id });
    }
    const order = stored.sort((a, b) => (a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1));

    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page = await api.call('GET', `/v1/jobs?label=suite:page&limit=2${query}`);
      seen.push(...names(page));
      cursor = page.json.next_cursor;
      // What comes in front of a page already read does not disturb the rest.
      await storeJob(api.store, { name: 'newer', labels: '{"suite":"page"}' });
    } while (cursor !== null);
    expect(seen).toEqual(order.map((job) => job.name));
  });

  test('filters by status, name, labels and time, all at once', async () => {
    const of = { labels: '{"suite":"filter","team":"data"}', created_at: '2026-01-01 00:00:00.0005+00' };
    const end = { finished_at: sql`clock_timestamp()` };
    const done = [{ name: 'a', status: 'succeeded' }];
    await storeJob(api.store, { ...of, name: 'one' });
    await storeJob(api.store, { ...of, ...end, name: 'two', status: 'succeeded' }, done);
    await storeJob(api.store, { ...of, ...end, name: 'three', status: 'failed' }, done);
    await storeJob(api.store, {
      ...of,
      name: 'four',
      labels: '{"suite":"filter","team":"web","url":"http://x"}',
    });
    await storeJob(api.store, { ...of, name: 'five', created_at: '2026-01-02 00:00:00+00' });
    const list = async (query: string) =>
      names(await api.call('GET', `/v1/jobs?label=suite:filter&${query}`)).sort();

    expect(await list('status=succeeded')).toEqual(['two']);
    expect(await list('status=succeeded&status=failed')).toEqual(['three', 'two']);
    expect(await list('name=one')).toEqual(['one']);
    expect(await list('label=team:web')).toEqual(['four']);
    expect(await list('label=url:http://x')).toEqual(['four']);
    expect(await list('label=team:nobody')).toEqual([]);
    expect(await list('created_after=2026-01-01T23:59:59Z')).toEqual(['five']);
    expect(await list('created_before=2026-01-01T00:00:00.0005Z')).toEqual([]);
    expect(await list('created_before=2026-01-01T00:00:00.000501Z&name=one')).toEqual(['one']);
    expect(await list('created_after=2026-01-02T00:59:59%2B01:00')).toEqual(['five']);
    expect(await list('created_after=2026-01-02T00:59:59+01:00&status=queued')).toEqual(['five']);
    expect(await list('name=two&status=queued')).toEqual([]);
  });

  test('says how many there are in all only when asked', async () => {
    for (let i = 0; i < 3; i += 1) await storeJob(api.store, { labels: '{"suite":"total"}' });
    const page = await api.call('GET', '/v1/jobs?label=suite:total&limit=1&include=total');
    expect(page.json).toMatchObject({ total: 3 });
    expect(page.json.data).toHaveLength(1);
    expect((await api.call('GET', '/v1/jobs?label=suite:total')).json).not.toHaveProperty('total');
  });

  test('ends a page early rather than read more than 8 MB, and goes on after it', async () => {
    // Text that does not compress, since what is kept is what counts.
    const input = sql`to_jsonb((select string_agg(gen_random_uuid()::text, '') from generate_series(1, 7000)))`;
    for (let i = 0; i < 50; i += 1)
      await storeJob(api.store, { name: `big-${i}`, labels: '{"suite":"big"}', input });
    const page = await api.call('GET', '/v1/jobs?label=suite:big&limit=50');
    expect(page.json.data.length).toBeGreaterThan(10);
    expect(page.json.data.length).toBeLessThan(50);
    const rest = await api.call('GET', `/v1/jobs?label=suite:big&limit=50&cursor=${page.json.next_cursor}`);
    expect(new Set([...names(page), ...names(rest)]).size).toBe(
      page.json.data.length + rest.json.data.length,
    );
    expect(rest.json.data.length).toBeGreaterThan(0);
  });

  test.each([
    ['statsu=failed', '/statsu', 'did you mean `status`?'],
    ['foo=1', '/foo', 'there is `status`'],
    ['status=done', '/status/0', 'must be one of scheduled, queued'],
    ['limit=0', '/limit', 'at least 1'],
    ['limit=501', '/limit', 'at most 500'],
    ['limit=many', '/limit', 'a whole number, not "many"'],
    ['limit=1&limit=2', '/limit', 'a whole number'],
    ['label=team', '/label', 'label=team:data'],
    ['label=team:a&label=team:b', '/label', 'two values of the label "team"'],
    ['label=team%00:a', '/label', 'U+0000'],
    ['name=%00', '/name', 'U+0000'],
    ['created_after=2026-11-20T08:00:00%2B23:59', '/created_after', 'offset'],
    ['created_after=yesterday', '/created_after', '2026-11-20T08:00:00Z'],
    ['created_after=2026-02-30T00:00:00Z', '/created_after', 'instant'],
    ['created_before=2026-11-20T08:00:00', '/created_before', 'offset'],
    ['created_before=2026-11-20T08:00:00%2B99:00', '/created_before', 'offset'],
    ['include=everything', '/include', 'must be total'],
  ])('refuses ?%s in words', async (query, pointer, words) => {
    const answer = await api.call('GET', `/v1/jobs?${query}`);
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_query']);
    expect(answer.json.errors[0]).toMatchObject({ pointer, detail: expect.stringContaining(words) });
    expect(answer.json.detail).toContain(words);
  });

  test.each(['x', 'czox', Buffer.from('j:1:not-a-uuid').toString('base64url'), '%00', ''])(
    'refuses the cursor "%s"',
    async (cursor) => {
      const answer = await api.call('GET', `/v1/jobs?cursor=${cursor}`);
      expect([answer.status, answer.json.code]).toEqual([400, 'invalid_cursor']);
    },
  );
});
