import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { formatClaimId } from '../../src/domain/claim-id.ts';
import type { AppError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { readApart } from '../../src/http/bodies/read-apart.ts';
import { lookTogether } from '../../src/http/job-waits.ts';
import { createRemoteOutcomes } from '../../src/scheduler/remote-outcomes.ts';
import type { Settler } from '../../src/scheduler/settler.ts';
import { send, type TestApi, testApi } from '../support/api.ts';
import { until } from '../support/embedded.ts';
import { answerOf, open, sendRaw } from '../support/raw.ts';

let api: TestApi;
let tooMuch = false;
afterEach(() => {
  tooMuch = false;
});
beforeAll(async () => {
  api = await testApi({ isOverloaded: () => tooMuch });
});
afterAll(() => api.close());

const MIB = 1024 * 1024;
const JOB = { name: 'job', uses: 'nobody-does-this' };
const submit = () => api.call('POST', '/v1/jobs', { body: JOB });
/** What a worker says, of a worker that there is not. */
const heartbeat = () => api.call('POST', `/v1/workers/${randomUUID()}/heartbeat`, { body: {} });

it('new requests are refused while too much waits; probes, documents and what workers say are not', async () => {
  tooMuch = true;
  const refused = [await submit(), await api.call('GET', '/v1/jobs')];
  const answers = [
    await api.call('GET', '/livez'),
    await api.call('GET', '/readyz'),
    await send(api.port, 'GET', '/openapi.json'),
    await heartbeat(),
    await api.call('POST', '/v1/claims/extend', { body: { claims: [{ id: 'none' }] } }),
  ];
  tooMuch = false;
  for (const { status, headers, json } of refused)
    expect([status, headers['retry-after'], json.code]).toEqual([503, '1', 'overloaded']);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404, 200]);
  expect((await submit()).status).toBe(202);
});

it('bodies that arrive together are taken as far as there is room; the rest is refused until they are gone', async () => {
  const head = 'POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
  const some = Buffer.alloc(12 * MIB - 16_384, ' ');
  const count = Math.floor(LIMITS.bodiesBytes / some.length);
  const begun: Socket[] = [];
  api.app.server.on('request', ({ socket }) => begun.push(socket));
  const sockets = await Promise.all(Array.from({ length: count }, () => open(api.port)));
  for (const socket of sockets) socket.write(`${head}content-length: ${15 * MIB}\r\n\r\n`);
  await until(() => begun.length === count);
  for (const socket of sockets) socket.write(some);
  // Nothing is sent beside them before all has arrived: it would take the room of the last piece.
  await until(() => begun.slice(0, count).every(({ bytesRead }) => bytesRead >= some.length));
  const large = { ...JOB, input: 'x'.repeat(200_000) };
  const submitLarge = () => api.call('POST', '/v1/jobs', { body: large });
  await until(async () => (await submitLarge()).status === 503);
  const { headers, json } = await submitLarge();
  expect([headers['retry-after'], json.code]).toEqual(['1', 'overloaded']);
  // Nothing but a piece of a body brings this one past the bound.
  const chunked = await open(api.port);
  chunked.write(
    `${head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n20000\r\n${' '.repeat(0x20000)}\r\n0\r\n\r\n`,
  );
  expect((await answerOf(chunked)).problem.code).toBe('overloaded');
  expect((await heartbeat()).status).toBe(404);

  // Who leaves in the middle leaves nothing behind.
  for (const socket of sockets) socket.destroy();
  await until(async () => (await submitLarge()).status === 202);
});

it('whoever announces bodies on a thousand connections, and sends none, keeps no room from others', async () => {
  const begun = new Set<unknown>();
  const count = (request: unknown) => begun.add(request);
  api.app.server.on('request', count);
  const sockets = await Promise.all(Array.from({ length: 1_000 }, () => open(api.port)));
  for (const socket of sockets)
    socket.write(
      'POST /v1/claims/extend HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 65536\r\n\r\n',
    );
  await until(() => begun.size === sockets.length);
  api.app.server.off('request', count);
  const extended = await api.call('POST', '/v1/claims/extend', { body: { claims: [{ id: 'none' }] } });
  for (const socket of sockets) socket.destroy();
  expect(extended.status).toBe(200);
});

it('whoever waits for the next steps keeps no room with the outcomes that it sent', async () => {
  const { id: worker_id } = (await api.call('POST', '/v1/workers', { body: { name: 'w', uses: ['none'] } }))
    .json;
  const head = (path: string, length: number) =>
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
  const release = {
    id: formatClaimId({ job_id: randomUUID(), ordinal: 0, claim_id: randomUUID() }),
    release: true,
  };
  const waiting: Socket[] = [];
  const wait = async (path: string, body: object, size: number) => {
    const socket = await open(api.port);
    waiting.push(socket);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk;
    });
    socket.write(head(path, size) + JSON.stringify(body).padEnd(size));
    return () => answer;
  };
  const claim = { worker_id, wait: 60 };
  const first = await wait('/v1/claims/settle', { outcomes: [release], claim }, 31 * MIB);
  for (let i = 0; i < 20; i++) await wait('/v1/claims', claim, MIB - 1);
  const settleMuch = () =>
    sendRaw(
      api.port,
      head('/v1/claims/settle', 31 * MIB).replace('host:', 'connection: close\r\nhost:') +
        JSON.stringify({ outcomes: [release] }).padEnd(31 * MIB),
    );
  await until(async () => (await settleMuch()).status === 200);
  expect(first()).toBe('');
  for (const socket of waiting) socket.destroy();
});

it('large bodies in YAML wait as far as there is room; when the server stops they are all answered', async () => {
  const stop = new AbortController();
  const question = { format: 'yaml', text: '- a\n'.repeat(10_000) } as const;
  const read = () => readApart(question, { isGone: () => false, stopping: stop.signal });
  const codes: string[] = [];
  const asked = Array.from({ length: LIMITS.bodiesReadApart + 8 }, () =>
    read().catch((error: AppError) => codes.push(error.code)),
  );
  await until(() => codes.length === 8);
  expect(new Set(codes)).toEqual(new Set(['overloaded']));
  stop.abort();
  await Promise.all(asked);
  expect(codes.filter((code) => code === 'shutting_down').length).toBe(LIMITS.bodiesReadApart);
});

it('claims whose `with`s do not go into one answer come in several, and nothing is charged for it', async () => {
  const uses = `act-${randomUUID().slice(0, 8)}`;
  const size = 250 * 1024;
  const count = Math.ceil((1.3 * LIMITS.claimAnswerBytes) / size);
  const jobs = [0, 1].map((job) => ({
    name: `large ${job}`,
    steps: Array.from({ length: Math.ceil(count / 2) }, (_, i) => ({
      name: `s${i}`,
      uses,
      with: { filling: 'x'.repeat(size) },
    })),
  }));
  for (const body of jobs) await api.call('POST', '/v1/jobs', { body });
  const { id: worker_id } = (await api.call('POST', '/v1/workers', { body: { name: 'w', uses: [uses] } }))
    .json;
  const claim = () => api.call('POST', '/v1/claims', { body: { worker_id, max: 1000, wait: 5 } });
  const first = await claim();
  expect(first.text.length).toBeLessThan(LIMITS.claimAnswerBytes * 1.1);
  expect(first.json.data.length).toBeGreaterThan(LIMITS.claimAnswerBytes / size - 2);
  const ids = new Set(first.json.data.map(({ id }: { id: string }) => id));
  await until(async () => {
    const { data } = (await claim()).json;
    for (const { id, attempt } of data) {
      ids.add(id);
      expect(attempt).toBeLessThanOrEqual(2);
    }
    return ids.size === 2 * Math.ceil(count / 2);
  });
});

it('outcomes that wait to be written are kept as far as there is room for what they hold', async () => {
  const done: (() => void)[] = [];
  // A database that is away, as the settler keeps it from those who send outcomes.
  const settler: Settler = {
    push: (_outcome, remote) => done.push(() => remote?.done({ failed: false, retry_in_ms: null })),
    idle: async () => {},
  };
  const outcomes = createRemoteOutcomes(settler, 60_000);
  const output = 'x'.repeat(200 * 1024);
  const outcomeOf = () => ({
    ...{ job_id: randomUUID(), ordinal: 0, claim_id: randomUUID() },
    end: { kind: 'succeeded', output } as const,
  });
  const written: Promise<unknown>[] = [];
  const keep = () => {
    const batch = Array.from({ length: 50 }, outcomeOf);
    outcomes.makeRoom(batch);
    written.push(outcomes.write(batch, null));
  };
  const refusal = (() => {
    for (;;)
      try {
        keep();
      } catch (error) {
        return error;
      }
  })();
  expect(refusal).toMatchObject({ code: 'overloaded' });
  expect(done.length).toBe(50 * Math.floor(LIMITS.outcomesWaitingBytes / (50 * (output.length + 2))));
  for (const one of done.splice(0)) one();
  await Promise.all(written);
  keep();
  // What is never written would be refused after a minute, when nobody listens any more.
  for (const one of done) one();
  await Promise.all(written);
});

it('a thousand who wait for jobs cost two looks at the database', async () => {
  const looks: number[] = [];
  const look = lookTogether(async (ids) => {
    looks.push(ids.length);
    return new Map(ids.map((id) => [id, `found ${id}`]));
  });
  const first = look('first');
  await until(() => looks.length === 1);
  const others = Array.from({ length: 1_000 }, (_, index) => look(String(index % 500)));
  expect(await first).toBe('found first');
  expect((await Promise.all(others)).at(-1)).toBe('found 499');
  expect(looks).toEqual([1, 500]);
});
