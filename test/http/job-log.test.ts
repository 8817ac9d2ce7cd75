import { request } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { prefixLines } from '../../src/http/prefix-lines.ts';
import { type TestApi, testApi } from '../support/api.ts';
import { testDatabase } from '../support/database.ts';
import { storeJob } from './stored-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

type Chunk = { ordinal: number; attempt?: number; data: string | Buffer };

/** Stores chunks as they follow each other in their logs. */
async function storeLogs(id: string, chunks: Chunk[], { store }: TestApi = api): Promise<void> {
  const ends = new Map<string, number>();
  for (const { ordinal, attempt = 1, data } of chunks) {
    const bytes = Buffer.from(data as string);
    const start = ends.get(`${ordinal} ${attempt}`) ?? 0;
    ends.set(`${ordinal} ${attempt}`, start + bytes.length);
    await store.db
      .insertInto('step_log')
      .values({ job_id: id, ordinal, attempt, start, data: bytes })
      .execute();
  }
}

const logOf = (id: string, from = api) => from.call('GET', `/v1/jobs/${id}/log`);

describe('GET /v1/jobs/{id}/log', () => {
  test('gives the logs of all steps in the order of the definition, each line under its name', async () => {
    const id = await storeJob(api.store, {}, [{ name: 'zip' }, { name: 'quiet' }, { name: 'extract' }]);
    await storeLogs(id, [
      { ordinal: 2, data: 'connecting\n\n3 rows\n' },
      { ordinal: 0, data: 'one\n' },
      { ordinal: 0, data: 'two\n' },
    ]);
    const answer = await logOf(id);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(answer.text).toBe(
      'zip     | one\nzip     | two\nextract | connecting\nextract | \nextract | 3 rows\n',
    );
  });

  test('keeps lines and characters whole that two chunks share, and ends the last line', async () => {
    const id = await storeJob(api.store, {}, [{ name: 'a' }, { name: 'b' }]);
    const text = Buffer.from('grün 🚀 ok\r\nhalf a');
    const chunks = [...text].map((byte) => ({ ordinal: 0, data: Buffer.from([byte]) }));
    await storeLogs(id, [...chunks, { ordinal: 0, data: ' line' }, { ordinal: 1, data: 'no end' }]);
    expect((await logOf(id)).text).toBe('a | grün 🚀 ok\r\na | half a line\nb | no end\n');
  });

  test('gives every attempt, oldest first, the later ones by their number', async () => {
    const id = await storeJob(api.store, {}, [{ name: 'extract', attempt: 10 }, { name: 'b' }]);
    await storeLogs(id, [
      { ordinal: 0, attempt: 10, data: 'tenth\n' },
      { ordinal: 0, attempt: 2, data: 'second' },
      { ordinal: 0, attempt: 1, data: 'first' },
      { ordinal: 1, data: 'other\n' },
    ]);
    expect((await logOf(id)).text).toBe(
      ['extract    | first', 'extract#2  | second', 'extract#10 | tenth', 'b          | other', ''].join(
        '\n',
      ),
    );
  });

  test('does not let a long name push the lines of all others to the right', async () => {
    const long = 'x'.repeat(63);
    const id = await storeJob(api.store, {}, [{ name: 'a' }, { name: long }]);
    await storeLogs(id, [
      { ordinal: 0, data: 'short\n' },
      { ordinal: 1, data: 'long\n' },
    ]);
    expect((await logOf(id)).text).toBe(`${'a'.padEnd(20)} | short\n${long} | long\n`);
  });

  test('is empty where nothing was written, and 404 where there is no job', async () => {
    const id = await storeJob(api.store);
    const empty = await logOf(id);
    expect([empty.status, empty.text]).toEqual([200, '']);
    for (const other of ['019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a10', 'nonsense']) {
      const answer = await logOf(other);
      expect([answer.status, answer.json.code]).toEqual([404, 'job_not_found']);
    }
    const asked = await api.call('GET', `/v1/jobs/${id}/log?step=main`);
    expect([asked.status, asked.json.code]).toEqual([400, 'invalid_query']);
  });

  test('goes through many small chunks and through large ones', async () => {
    const steps = Array.from({ length: 700 }, (_, n) => ({ name: `s${n}` }));
    const id = await storeJob(api.store, {}, steps);
    await api.database.pool.query(
      `insert into step_log (job_id, ordinal, attempt, start, data)
       select $1, o, 1, c * 2, convert_to(c || E'\\n', 'utf8') from generate_series(0, 699) o, generate_series(0, 2) c`,
      [id],
    );
    await api.database.pool.query(
      `insert into step_log (job_id, ordinal, attempt, start, data)
       select $1, 699, 2, c * 65536, convert_to(repeat('x', 65535) || E'\\n', 'utf8') from generate_series(0, 39) c`,
      [id],
    );
    const lines = (await logOf(id)).text.split('\n');
    const small = steps.flatMap(({ name }) => [0, 1, 2].map((c) => `${name.padEnd(4)} | ${c}`));
    expect(lines.slice(0, 2100)).toEqual(small);
    expect(lines.slice(2100)).toEqual([...Array(40).fill(`s699#2 | ${'x'.repeat(65_535)}`), '']);
  });

  describe('read by nobody', () => {
    let own: TestApi;
    let close: () => Promise<void>;
    let id: string;
    const query = vi.fn();
    beforeAll(async () => {
      const database = await testDatabase();
      const counting = {
        transformQuery: ({ node }: { node: unknown }) => {
          query();
          return node;
        },
        transformResult: async ({ result }: { result: unknown }) => result,
      };
      const db = database.db.withPlugin(counting as never);
      own = await testApi({ store: { db, wakeUps: createWakeUps() } });
      close = async () => {
        await own.close();
        await database.close();
      };
      // A hundred megabytes, of which a megabyte is read at a time.
      id = await storeJob(own.store, {}, [{ name: 'much' }]);
      await database.pool.query(
        `insert into step_log (job_id, ordinal, attempt, start, data)
         select $1, 0, 1, c * 65536, convert_to(repeat('x', 65536), 'utf8') from generate_series(0, 1599) c`,
        [id],
      );
    });
    afterAll(() => close());

    /** Resolves once nothing was asked of the database from one look to the next. */
    async function settled(): Promise<number> {
      let before = -1;
      await vi.waitFor(async () => {
        const now = query.mock.calls.length;
        const same = now === before;
        before = now;
        await own.call('GET', '/livez');
        expect(same).toBe(true);
      }, 10_000);
      return before;
    }

    test('is left alone once the client goes away', async () => {
      query.mockClear();
      await new Promise<void>((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port: own.port, path: `/v1/jobs/${id}/log`, agent: false });
        sent.on('error', reject);
        sent.on('response', (response) => {
          response.once('data', () => {
            response.on('error', () => {});
            response.destroy();
          });
          response.once('close', resolve);
        });
        sent.end();
      });
      expect(await settled()).toBeLessThan(40);
    });

    test('is not read for HEAD', async () => {
      query.mockClear();
      const answer = await own.call('HEAD', `/v1/jobs/${id}/log`);
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
      expect(await settled()).toBeLessThan(3);
    });
  });
});

describe('prefixLines', () => {
  const collect = async (pieces: { label: string; bytes: Buffer }[], width = 0): Promise<Buffer> => {
    const parts: Buffer[] = [];
    async function* each() {
      yield* pieces;
    }
    for await (const part of prefixLines(each(), width)) parts.push(part);
    return Buffer.concat(parts);
  };

  test('gives the same wherever texts are cut, and every byte of them', async () => {
    const bytes = fc.array(fc.constantFrom(0x0a, 0x61, 0xf0, 0x9f, 0x9a, 0x80, 0x0d, 0xff), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, fc.array(fc.nat(40)), async (first, second, cuts) => {
        const texts = [first, second].map((list) => Buffer.from(list));
        const labels = ['one', 'two-2'];
        const pieces = texts.flatMap((whole, of) => {
          const ends = [...cuts.map((cut) => cut % whole.length), whole.length].sort((a, b) => a - b);
          const parts = ends.map((end, index) => whole.subarray(ends[index - 1] ?? 0, end));
          return parts
            .filter((bytes) => bytes.length > 0)
            .map((bytes) => ({ label: labels[of] as string, bytes }));
        });
        const expected = texts.map((whole, of) => {
          const text = whole.toString('latin1');
          const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
          return lines.map((line) => `${labels[of]?.padEnd(6)} | ${line}\n`).join('');
        });
        expect((await collect(pieces, 6)).toString('latin1')).toBe(expected.join(''));
      }),
    );
  });
});
