import { alone, type Fault, withHeader } from './fault.ts';
import { asBytes } from './shot.ts';

/** Methods, targets and headers that nobody should send. */
export const HEAD_FAULTS = {
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
} satisfies Record<string, Fault>;
