import { gzipSync } from 'node:zlib';
import type { Chance } from './random.ts';
import { asBytes, type Shot } from './shot.ts';

/** A way to break a request at the wire; false when it cannot be done to this one. */
type Fault = (shot: Shot, chance: Chance) => unknown;

// A job that would change nothing, whatever a broken byte makes of it.
const HARMLESS = Buffer.from('{"name":"wire","uses":"value","with":{"text":"0123456789 abcdefghij ünï"}}');
const MIB = 1024 * 1024;

/** Breaks a request below what the document speaks of: bytes, framing, targets, headers, methods. */
export function breakWire(shot: Shot, isJson: boolean, chance: Chance): void {
  // Bytes are not broken where they could become another script.
  if (isJson && /"(run|url)"/.test(shot.body?.toString() ?? '')) shot.body = HARMLESS;
  const names = Object.keys(FAULTS);
  for (let tries = 0; tries < 20; tries++) {
    const name = chance.pick(names) as keyof typeof FAULTS;
    if ((FAULTS[name] as Fault)(shot, chance) === false) continue;
    shot.what = name;
    return;
  }
}

function alone(shot: Shot, bytes: Buffer | string): void {
  shot.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1');
  shot.way = 'alone';
}

/** The head as it would be, with other framing than the length of the body. */
function headOf({ method, target, headers }: Shot, framing: string): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/1.1\r\n${lines}${framing}\r\n`;
}

function withHeader(shot: Shot, name: string, value: string): void {
  shot.headers = [...shot.headers.filter(([one]) => one.toLowerCase() !== name.toLowerCase()), [name, value]];
  shot.bytes = asBytes(shot);
}

function withBody(shot: Shot, body: Buffer): boolean {
  if (shot.body === null) return false;
  shot.body = body;
  shot.bytes = asBytes(shot);
  return true;
}

const takesJson = (shot: Shot) =>
  shot.headers.some(([name, value]) => name === 'Content-Type' && /json/.test(value));

/** Splits bytes at a place of chance. */
const cutAt = (bytes: Buffer, chance: Chance) => bytes.subarray(0, chance.below(bytes.length));

const FAULTS = {
  'bytes that are no UTF-8': (shot, chance) => {
    const bad = chance.pick([
      [0xff],
      [0xc3, 0x28],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x9f],
      [0xfe, 0xff],
      [0xc0, 0x80],
    ]);
    const body = shot.body ?? HARMLESS;
    const at = chance.below(body.length);
    return withBody(shot, Buffer.concat([body.subarray(0, at), Buffer.from(bad), body.subarray(at)]));
  },
  'a broken byte': (shot, chance) => {
    if (shot.body === null || shot.body.length === 0) return false;
    const body = Buffer.from(shot.body);
    body[chance.below(body.length)] = chance.below(256);
    return withBody(shot, body);
  },
  'a body that ends early': (shot, chance) => {
    if (!takesJson(shot) || shot.body === null || shot.body.length < 3) return false;
    shot.refused = true;
    return withBody(shot, shot.body.subarray(0, 1 + chance.below(shot.body.length - 2)));
  },
  'a byte order mark': (shot, chance) => {
    const mark = chance.pick([
      [0xef, 0xbb, 0xbf],
      [0xff, 0xfe],
      [0xfe, 0xff],
      [0, 0, 0xfe, 0xff],
    ]);
    return withBody(shot, Buffer.concat([Buffer.from(mark), shot.body ?? HARMLESS]));
  },
  'another encoding': (shot) => withBody(shot, Buffer.from(shot.body?.toString() ?? '', 'utf16le')),
  'something behind the body': (shot, chance) =>
    withBody(
      shot,
      Buffer.concat([
        shot.body ?? HARMLESS,
        Buffer.from(chance.pick(['{}', ' ', '\0', ']', '\n\n', '/**/'])),
      ]),
    ),
  'a body of another kind': (shot, chance) =>
    withBody(
      shot,
      Buffer.from(
        chance.pick([
          '',
          '[]',
          'null',
          '"x"',
          '1',
          '{',
          '- &a [*a]',
          'a: &x [1]\nb: *x',
          '---\n---',
          '<a/>',
          'a = 1\na = 2',
          '!!js/function x',
          'name: [',
          "name = '''",
        ]),
      ),
    ),
  'a length too long': (shot, chance) => {
    const body = shot.body ?? HARMLESS;
    alone(
      shot,
      Buffer.concat([
        Buffer.from(headOf(shot, `Content-Length: ${body.length + 1 + chance.below(99)}\r\n`), 'latin1'),
        body,
      ]),
    );
    shot.halfClose = true;
    shot.maySilence = true;
  },
  'a length too short': (shot, chance) => {
    if (shot.body === null || shot.body.length < 4) return false;
    const length = 1 + chance.below(shot.body.length - 2);
    alone(
      shot,
      Buffer.concat([Buffer.from(headOf(shot, `Content-Length: ${length}\r\n`), 'latin1'), shot.body]),
    );
  },
  'a length that is none': (shot, chance) =>
    alone(
      shot,
      headOf(
        shot,
        `Content-Length: ${chance.pick(['-1', 'x', '1e3', '0x10', '99999999999999999999', '', '1, 1', '+5'])}\r\n`,
      ) + '{}',
    ),
  'two lengths': (shot) => alone(shot, `${headOf(shot, 'Content-Length: 2\r\nContent-Length: 5\r\n')}{}abc`),
  'length and chunks': (shot) =>
    alone(shot, `${headOf(shot, 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n')}2\r\n{}\r\n0\r\n\r\n`),
  'broken chunks': (shot, chance) => {
    const chunks = chance.pick([
      'zz\r\n{}\r\n0\r\n\r\n',
      '2\r\n{}',
      'fffffffffffffffff\r\n',
      '-2\r\n{}\r\n0\r\n\r\n',
      '2\n{}\n0\n\n',
      '2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n',
      '\r\n',
      '2\r\n{}x\r\n0\r\n\r\n',
    ]);
    alone(shot, headOf(shot, 'Transfer-Encoding: chunked\r\n') + chunks);
    shot.halfClose = true;
    shot.maySilence = true;
  },
  'whole chunks': (shot, chance) => {
    const body = shot.body ?? Buffer.alloc(0);
    const size = 1 + chance.below(40);
    const chunks = Array.from({ length: Math.ceil(body.length / size) }, (_, at) =>
      body.subarray(at * size, (at + 1) * size),
    );
    if (chunks.length > 500) return false;
    const framed = chunks.flatMap((chunk) => [
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ]);
    shot.bytes = Buffer.concat([
      Buffer.from(headOf(shot, 'Transfer-Encoding: chunked\r\n'), 'latin1'),
      ...framed,
      Buffer.from('0\r\n\r\n'),
    ]);
  },
  'a coding that is not read': (shot, chance) =>
    withHeader(
      shot,
      'Transfer-Encoding',
      chance.pick(['gzip, chunked', 'identity', 'chunked, chunked', 'xchunked']),
    ) ?? alone(shot, shot.bytes),
  'packed bytes': (shot, chance) => {
    if (shot.body === null) return false;
    withHeader(shot, 'Content-Encoding', chance.pick(['gzip', 'br', 'deflate', 'identity, gzip', 'x']));
    shot.refused = true;
    return withBody(shot, chance.is(0.5) ? gzipSync(shot.body) : shot.body);
  },
  'another content type': (shot, chance) => {
    if (shot.body === null) return false;
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      '',
      '/',
      'a',
      'application/json;;;',
      'application/json; charset=latin1',
      'application/json; charset=utf-16',
      'application/problem+json',
      'text/html',
      'application/yaml',
      'application/toml',
      'text/plain; charset=shift_jis',
      'application/json, text/plain',
    ];
    withHeader(shot, 'Content-Type', chance.pick(types));
  },
  'another method': (shot, chance) => {
    const methods = [
      'GET',
      'HEAD',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'PROPFIND',
      'QUERY',
      'MKCOL',
      'SEARCH',
    ];
    shot.method = chance.pick(methods.filter((method) => method !== shot.operation.method));
    shot.bytes = asBytes(shot);
  },
  'a method that is none': (shot, chance) => {
    shot.method = chance.pick([
      'FOO',
      'get',
      '',
      'G\0T',
      'CONNECT',
      'PRI',
      'POST POST',
      'GE\tT',
      '\x16\x03\x01',
    ]);
    alone(shot, asBytes(shot));
  },
  'an odd target': (shot, chance) => {
    const { target } = shot;
    const odd = [
      '//',
      '/',
      '/%00',
      '/%ff',
      '/%',
      '/%zz',
      '/v1/../v1/jobs',
      '/..%2f..',
      `/v1/jobs/${'a'.repeat(10_000)}`,
      `//127.0.0.1/v1/jobs`,
      '/v1//jobs',
      '/v1/jobs//',
      '/v1/jobs/',
      '/?',
      '/v1/jobs?%',
      '/v1/jobs?=&=',
      '/v1/jobs;a=b',
      '/V1/JOBS',
      '/v1/jobs/%ed%a0%80',
      '/v1/jobs?name=%ff',
      '/v1/jobs?limit=%31',
      '/docs/static/..%2f..%2fpackage.json',
      '/problems/%2e%2e',
      '/openapi.json',
      '/schemas/job.json',
      '/docs/',
      `/${'x/'.repeat(500)}`,
      `${target}/`,
      `${target}%00`,
      `${target}/..`,
      `${target}?${'a=b&'.repeat(2_000)}`,
      'http://127.0.0.1/v1/jobs',
      'https://example.org/v1/jobs',
      '*',
      'v1/jobs',
      '/v1/workers/%2f',
      '/v1/jobs?label=%00:x',
      '/v1/jobs?name=%F0%9F%8D%8C%00',
    ];
    shot.target = chance.pick(odd);
    shot.bytes = asBytes(shot);
  },
  'a line with what has no place in it': (shot, chance) => {
    shot.target += chance.pick([
      ' x',
      ' HTTP/1.1\r\nX-Injected: 1\r\nX: ',
      '\x00',
      '\xff',
      '\t',
      '#a',
      ' HTTP/9.9',
      '\r\n\r\n',
    ]);
    alone(shot, asBytes(shot));
  },
  'an odd header': (shot, chance) => {
    const line = chance.pick([
      'X: \x00',
      'X : y',
      ': y',
      'X',
      'X: a\r\n b',
      'X: \x7f',
      'X: \xff\xfe',
      'X\xff: y',
      `X: ${'a'.repeat(20_000)}`,
      'Content-Length : 3',
      'Transfer-Encoding:\x0bchunked',
      'Host: other',
      'Expect: 200-ok',
      'Connection: close, x',
      'Upgrade: websocket\r\nConnection: upgrade',
      'Expect: 100-continue',
    ]);
    const [name = '', ...value] = line.split(':');
    shot.headers = [...shot.headers, [name, value.join(':').trimStart()]];
    alone(shot, asBytes(shot));
  },
  'many headers': (shot, chance) => {
    const count = chance.pick([90, 101, 150, 1_000]);
    shot.headers = [
      ...shot.headers,
      ...Array.from({ length: count }, (_, at): [string, string] => [`X-${at}`, 'v']),
    ];
    alone(shot, asBytes(shot));
  },
  'another host': (shot, chance) =>
    withHeader(
      shot,
      'Host',
      chance.pick([
        'evil.example',
        '',
        '127.0.0.1:1',
        '[::1]',
        'localhost',
        '127.0.0.1.evil.example',
        'a b',
        '😀'.slice(0, 0),
        'xn--a',
        '[',
        `${'a'.repeat(300)}`,
      ]),
    ) ?? alone(shot, shot.bytes),
  'a foreign page': (shot, chance) =>
    withHeader(
      shot,
      ...chance.pick<[string, string]>([
        ['Origin', 'https://evil.example'],
        ['Origin', 'null'],
        ['Sec-Fetch-Site', 'cross-site'],
        ['Origin', '://'],
      ]),
    ),
  'a large body': (shot, chance) => {
    if (shot.body === null) return false;
    const said = chance.pick([1, 2, 9, 17, 40, 10_000]) * MIB + 1;
    const sent = Buffer.alloc(chance.pick([0, 10, 65_536]), 0x20);
    alone(shot, Buffer.concat([Buffer.from(headOf(shot, `Content-Length: ${said}\r\n`), 'latin1'), sent]));
    shot.halfClose = true;
    shot.maySilence = true;
  },
  'a large body, all of it': (shot, chance) => {
    if (shot.body === null || !chance.is(0.05)) return false;
    const size = chance.pick([1, 2, 8, 16]) * MIB + chance.pick([-1, 0, 1]);
    const end = Buffer.from(chance.pick(['"}', '', '\n']));
    const start = Buffer.from(chance.pick(['{"name":"', '{"name":"a","x":"', '[[', 'name: "', '']));
    withBody(
      shot,
      Buffer.concat([
        start,
        Buffer.alloc(size - start.length - end.length, chance.pick([0x61, 0x20, 0x5b])),
        end,
      ]),
    );
    alone(shot, shot.bytes);
  },
  'a request that ends early': (shot, chance) => {
    alone(shot, cutAt(shot.bytes, chance));
    shot.halfClose = true;
    shot.maySilence = true;
  },
  'a slow sender': (shot, chance) => {
    shot.pieces = Math.min(shot.bytes.length, chance.pick([2, 5, 20]));
  },
  'no HTTP at all': (shot, chance) => {
    Object.assign(shot, { method: 'GET', target: '*' });
    alone(
      shot,
      chance.pick([
        '\r\n\r\n',
        '\0\0\0\0',
        'hello\r\n\r\n',
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        'GET / HTTP/0.9\r\n\r\n',
        'GET /livez HTTP/1.0\r\n\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        'GET /livez\r\n',
      ]),
    );
    shot.halfClose = true;
    shot.maySilence = true;
  },
} satisfies Record<string, Fault>;
