import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { formatClaimId, parseClaimId } from '../../src/domain/claim-id.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { ProgressReport } from '../../src/operations/report-progress.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { type Anything, type CallOptions, type TestApi, testApi } from '../support/api.ts';

const reported: ProgressReport[] = [];
let api: TestApi;
beforeAll(async () => {
  api = await testApi({ reportProgress: (report) => void reported.push(report) });
});
afterAll(() => api.close());
beforeEach(async () => {
  await sql`truncate job, step, attempt, step_log, worker`.execute(api.store.db);
  reported.length = 0;
});

interface Held {
  id: string;
  job_id: string;
  attempt: number;
}

const post = (path: string, body?: Anything) =>
  api.call('POST', `/v1${path}`, body === undefined ? {} : { body });

/** Claims on the steps of a job, of a worker of their own. */
async function claims(steps: number, more: Anything = {}): Promise<Held[]> {
  const names = Array.from({ length: steps }, (_, i) => ({ name: `s${i}`, uses: 'resize' }));
  await post('/jobs', { name: 'thumbnails', steps: names, ...more });
  const { json } = await post('/workers', { name: 'resizer', uses: ['resize'] });
  return (await post('/claims', { worker_id: json.id, max: steps, ttl: '40s' })).json.data;
}
const claim = async (more: Anything = {}): Promise<Held> => (await claims(1, more))[0] as Held;

const expire = () =>
  sql`update step set claim_expires_at = clock_timestamp() - interval '1 second'
    where status = 'running'`.execute(api.store.db);

describe('POST /v1/claims/{id}/extend', () => {
  test('takes a ttl and a progress, both, one or none, also without any body', async () => {
    const { id } = await claim();
    for (const [body, seconds] of [
      [{ ttl: '1m' }, 60],
      [{ ttl: 90, progress: 0.25 }, 90],
      [{ ttl: '1h' }, 3600],
      [{ ttl: '1s' }, 1],
      [{ progress: 1 }, 40],
      [{}, 40],
      [undefined, 40],
    ] as const) {
      const { status, json } = await post(`/claims/${id}/extend`, body);
      expect([status, json.id, json.action]).toEqual([200, id, 'continue']);
      expect(json.expires_in_ms).toBeLessThanOrEqual(seconds * 1000);
      expect(json.expires_in_ms).toBeGreaterThan(seconds * 900 - 1000);
    }
    expect(reported).toEqual([
      { ...parseClaimId(id), progress: 0.25 },
      { ...parseClaimId(id), progress: 1 },
    ]);
  });

  test.each([
    [{ ttl: 0 }, '/ttl', '0 is too short; the least is 1s'],
    [{ ttl: '0' }, '/ttl', 'the least is 1s'],
    [{ ttl: '999ms' }, '/ttl', 'the least is 1s'],
    [{ ttl: -5 }, '/ttl', 'the least is 1s'],
    [{ ttl: '-5' }, '/ttl', 'the least is 1s'],
    [{ ttl: '61m' }, '/ttl', 'the most is 1h'],
    [{ ttl: 3601 }, '/ttl', 'the most is 1h'],
    [{ ttl: 'soon' }, '/ttl', 'is not a duration; write "30s"'],
    [{ ttl: 1.5 }, '/ttl', 'is not a duration'],
    [{ ttl: '' }, '/ttl', 'is not a duration'],
    [{ ttl: null }, '/ttl', 'must be'],
    [{ ttl: ['1m'] }, '/ttl', 'must be'],
    [{ progress: 1.01 }, '/progress', 'at most 1'],
    [{ progress: -1 }, '/progress', 'at least 0'],
    [{ progress: '0.5' }, '/progress', 'must be a number'],
    [{ ttl: '1m', extend: true }, '/extend', 'is not known here'],
  ])('refuses %j and says what it takes', async (body, pointer, words) => {
    const { id } = await claim();
    const before = await api.store.db.selectFrom('step').selectAll().execute();
    const { status, json } = await post(`/claims/${id}/extend`, body);
    expect([status, json.code, json.errors[0].pointer]).toEqual([422, 'invalid_body', pointer]);
    expect(json.detail).toContain(words);
    const { json: batch } = await post('/claims/extend', { claims: [{ id }, { id, ...body }] });
    expect(batch).toMatchObject({ code: 'invalid_body', errors: [{ pointer: `/claims/1${pointer}` }] });
    expect(await api.store.db.selectFrom('step').selectAll().execute()).toEqual(before);
  });

  test('tells a worker that its job was cancelled', async () => {
    const { id, job_id } = await claim();
    await post(`/jobs/${job_id}/cancel`);
    const { status, json } = await post(`/claims/${id}/extend`, { progress: 0.5 });
    expect([status, json]).toEqual([200, { id, action: 'cancel', expires_in_ms: 0 }]);
    expect(reported).toEqual([]);
  });

  test('refuses a claim that was rescued, one that its worker ended, and one that never was', async () => {
    const [rescued, done] = (await claims(2)) as [Held, Held];
    await post(`/claims/${done.id}/complete`, {});
    await expire();
    // Nobody has given it to others yet.
    expect((await post(`/claims/${rescued.id}/extend`)).json.action).toBe('continue');
    await expire();
    await rescueExpired(api.store);
    const { status, json } = await post(`/claims/${rescued.id}/extend`);
    expect([status, json.code, json.reason]).toEqual([409, 'claim_lost', 'expired']);
    const settled = await post(`/claims/${done.id}/extend`);
    expect([settled.status, settled.json.code]).toEqual([409, 'claim_settled']);
    expect(settled.json.detail).toContain('ended by complete');
    const { job_id } = parseClaimId(done.id) ?? { job_id: '' };
    const never = formatClaimId({ job_id, ordinal: 1, claim_id: job_id });
    for (const id of [never, 'x', '%00', 'A'.repeat(48), '..%2F', 'a'.repeat(5000)]) {
      const answer = await post(`/claims/${id}/extend`);
      expect([id, answer.status, answer.json.code]).toEqual([id, 404, 'claim_not_found']);
    }
  });
});

describe('POST /v1/claims/extend', () => {
  test('answers for each claim in order, and extends those that are listed and no others', async () => {
    const [a, b, c, d] = (await claims(4)) as [Held, Held, Held, Held];
    const other = await claim();
    await post(`/claims/${b.id}/release`);
    await post(`/jobs/${other.job_id}/cancel`);
    const listed = [
      { id: c.id, ttl: '2m', progress: 0.5 },
      ...[{ id: b.id, progress: 0.1 }, { id: 'no such' }, { id: other.id }, { id: a.id }, { id: a.id }],
    ];
    const { status, json } = await post('/claims/extend', { claims: listed });
    expect(status).toBe(200);
    expect(json.data.map(({ id, action }: Anything) => [id, action])).toEqual([
      ...[
        [c.id, 'continue'],
        [b.id, 'lost'],
        ['no such', 'lost'],
        [other.id, 'cancel'],
      ],
      ...[
        [a.id, 'continue'],
        [a.id, 'continue'],
      ],
    ]);
    expect(json.data[0].expires_in_ms).toBeGreaterThan(100_000);
    expect(json.data[4].expires_in_ms).toBeGreaterThan(35_000);
    expect(reported).toEqual([{ ...parseClaimId(c.id), progress: 0.5 }]);
    const { rows } = await sql<{ claim_id: string }>`select claim_id from step where status = 'running'
      and claim_expires_at > clock_timestamp() + interval '100 seconds'`.execute(api.store.db);
    expect(rows).toEqual([{ claim_id: parseClaimId(c.id)?.claim_id }]);
    expect(d.id).not.toBe(c.id);
    expect((await post('/claims/extend', { claims: [] })).json).toEqual({ data: [] });
  });

  test('refuses what is no list of claims, and more than a thousand', async () => {
    const many = Array.from({ length: 1001 }, () => ({ id: 'x' }));
    for (const [body, words] of [
      [{ claims: many }, '`claims` must have at most 1000 entries'],
      [{}, '`claims` is missing'],
      [{ claims: [{ ttl: '1m' }] }, '`id` is missing'],
      [{ claims: {} }, '`claims` must be'],
    ]) {
      const { status, json } = await post('/claims/extend', body);
      expect([status, json.code]).toEqual([422, 'invalid_body']);
      expect(json.detail).toContain(words);
    }
  });
});

describe('POST /v1/claims/{id}/log', () => {
  const append = (id: string, bytes: string | Buffer, offset?: number, type = 'text/plain') =>
    api.call('POST', `/v1/claims/${id}/log${offset === undefined ? '' : `?offset=${offset}`}`, {
      body: bytes,
      headers: { 'content-type': type },
    });
  const stored = async (): Promise<Buffer> => {
    const rows = await api.store.db.selectFrom('step_log').select('data').orderBy('start').execute();
    return Buffer.concat(rows.map(({ data }) => data));
  };
  const logOf = (job: string, query = '') =>
    api.call('GET', `/v1/jobs/${job}/steps/s0/log${query}`).then(({ text }) => text);

  test('writes a repeated chunk once, and of one that overlaps what is new', async () => {
    const { id, job_id } = await claim();
    for (const [bytes, offset, next] of [
      ['one\n', 0, 4],
      ['one\n', 0, 4],
      ['one\ntwo\n', 0, 8],
      ['two\nthree\n', 4, 14],
      ['o', 2, 14],
      ['', 14, 14],
      ['', undefined, 14],
      ['four\n', undefined, 19],
    ] as const) {
      const { status, json } = await append(id, bytes, offset);
      expect([status, json]).toEqual([200, { next_offset: next }]);
    }
    expect(await logOf(job_id)).toBe('one\ntwo\nthree\nfour\n');
  });

  test('refuses a gap and says where to go on', async () => {
    const { id } = await claim();
    await append(id, 'one\n');
    const { status, json } = await append(id, 'three\n', 8);
    expect([status, json.code, json.expected_offset]).toEqual([409, 'expected_offset', 4]);
    expect(json.detail).toContain('ends at 4');
    expect((await append(id, 'two\n', json.expected_offset)).json.next_offset).toBe(8);
  });

  test('keeps bytes as they are: NULs, broken UTF-8, and as many as a request may have', async () => {
    const { id } = await claim();
    const bytes = Buffer.from([0, 255, 128, 10, 0xc3, 0x28, 0, 13]);
    expect((await append(id, bytes, 0, 'application/octet-stream')).json.next_offset).toBe(8);
    const large = Buffer.alloc(LIMITS.logBodyBytes, 'lines\n');
    expect((await append(id, large, 8, 'text/plain; charset=utf-8')).status).toBe(200);
    expect(Buffer.compare(await stored(), Buffer.concat([bytes, large]))).toBe(0);
    const more = await append(id, Buffer.alloc(LIMITS.logBodyBytes + 1));
    expect([more.status, more.json.code]).toEqual([413, 'payload_too_large']);
  });

  test('takes bytes and nothing else, which no other call does', async () => {
    const { id, job_id } = await claim();
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/html']) {
      const { status, json } = await append(id, '{}', 0, type);
      expect([status, json.code]).toEqual([415, 'unsupported_media_type']);
      expect(json.detail).toContain("-H 'content-type: text/plain' --data-binary");
    }
    const untyped = await api.call('POST', `/v1/claims/${id}/log`, { body: 'x' });
    expect(untyped.status).toBe(415);
    // Nothing at all has no type.
    expect((await post(`/claims/${id}/log`)).json).toEqual({ next_offset: 0 });
    const text: CallOptions = { body: '{}', headers: { 'content-type': 'text/plain' } };
    for (const path of [
      `/v1/claims/${id}/extend`,
      '/v1/claims/extend',
      `/v1/jobs/${job_id}/cancel`,
      '/v1/jobs',
    ])
      expect((await api.call('POST', path, text)).status, path).toBe(415);
    const get = await api.call('GET', `/v1/claims/${id}/log`);
    expect([get.status, get.headers.allow]).toEqual([405, 'POST']);
    const wrong = await append(id, 'x', -1);
    expect([wrong.status, wrong.json.code]).toEqual([400, 'invalid_query']);
  });

  test('loses and doubles nothing when many append at the same time', async () => {
    const { id } = await claim();
    const lines = Array.from({ length: 12 }, (_, i) => `${String.fromCharCode(97 + i).repeat(70_000)}\n`);
    const answers = await Promise.all(lines.map((line) => append(id, line)));
    expect(answers.map(({ status }) => status)).toEqual(lines.map(() => 200));
    expect((await stored()).toString().split('\n').sort().slice(1)).toEqual(lines.map((line) => line.trim()));
    // The same chunk sent twice at once, by a worker that lost patience.
    const end = 12 * 70_001;
    await Promise.all([append(id, 'twice\n', end), append(id, 'twice\n', end)]);
    expect((await stored()).subarray(end).toString()).toBe('twice\n');
  });

  test('is cut at its limit, and what comes then is counted and no error', async () => {
    const { id, attempt } = await claim();
    const { job_id, ordinal } = parseClaimId(id) as { job_id: string; ordinal: number };
    const start = LIMITS.logBytesPerAttempt - 5;
    await api.store.db
      .insertInto('step_log')
      .values({ job_id, ordinal, attempt, start, data: Buffer.from('x') })
      .execute();
    const end = start + 1;
    const next = (answer: Anything) => [answer.status, answer.json.next_offset];
    expect(next(await append(id, 'y'.repeat(1000), end))).toEqual([200, end + 1000]);
    expect((await stored()).toString()).toMatch(/^xyyyy\n\[holdfast: the log was cut here/);
    const size = (await stored()).length;
    expect(next(await append(id, 'z'.repeat(1000), end + 1000))).toEqual([200, end + 2000]);
    expect((await append(id, 'z')).status).toBe(200);
    expect((await stored()).length).toBe(size);
  });

  test('is taken for 10 s after the claim ended, whichever way, and then refused by what became of it', async () => {
    const held = (await claims(4)) as [Held, Held, Held, Held];
    const [done, failed, lost, cancelled] = held;
    await append(done.id, 'first ');
    await post(`/claims/${done.id}/complete`, {});
    await post(`/claims/${failed.id}/fail`, { error: { message: 'no' } });
    await sql`update step set claim_expires_at = clock_timestamp() where claim_id = ${parseClaimId(lost.id)?.claim_id}`.execute(
      api.store.db,
    );
    await rescueExpired(api.store);
    await post(`/jobs/${cancelled.job_id}/cancel`);
    for (const { id } of held) expect((await append(id, 'last words')).status).toBe(200);
    expect(await logOf(done.job_id, '?attempt=1')).toBe('first last words');

    const later = sql`interval '11 seconds'`;
    await sql`update step set finished_at = finished_at - ${later}`.execute(api.store.db);
    await sql`update attempt set finished_at = finished_at - ${later}`.execute(api.store.db);
    const refused = await Promise.all(held.map(({ id }) => append(id, 'too late')));
    expect(refused.map(({ status, json }) => [status, json.code, json.reason])).toEqual([
      ...[
        [409, 'claim_settled', undefined],
        [409, 'claim_settled', undefined],
      ],
      ...[
        [409, 'claim_lost', 'expired'],
        [409, 'claim_lost', 'cancelled'],
      ],
    ]);
    await api.call('DELETE', `/v1/jobs/${done.job_id}`);
    expect((await append(done.id, 'x')).json.code).toBe('claim_not_found');
    expect((await append('x', 'x')).json.code).toBe('claim_not_found');
  });

  test('of an attempt that was given back goes to that attempt, also while the next one runs', async () => {
    const { id, job_id } = await claim();
    await append(id, 'first');
    await post(`/claims/${id}/release`);
    const { json } = await post('/workers', { name: 'other', uses: ['resize'] });
    const [next] = (await post('/claims', { worker_id: json.id })).json.data;
    await append(next.id, 'second');
    await append(id, ' late');
    expect([await logOf(job_id, '?attempt=1'), await logOf(job_id)]).toEqual(['first late', 'second']);
    // The grace is counted from the end of its own attempt, however the step goes on.
    await sql`update attempt set finished_at = finished_at - interval '11 seconds'`.execute(api.store.db);
    expect((await append(id, 'x')).json.code).toBe('claim_settled');
    await post(`/claims/${next.id}/release`, { delay: '1h' });
    expect((await append(next.id, ' late')).status).toBe(200);
    await sql`update attempt set finished_at = finished_at - interval '11 seconds'`.execute(api.store.db);
    expect((await append(next.id, 'x')).json.code).toBe('claim_settled');
  });
});
