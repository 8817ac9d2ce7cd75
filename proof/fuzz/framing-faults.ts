import { alone, type Fault, HARMLESS, headOf, MIB, withHeader } from './fault.ts';
import type { Chance } from './random.ts';

/** Splits bytes at a place of chance. */
const cutAt = (bytes: Buffer, chance: Chance) => bytes.subarray(0, chance.below(bytes.length));

/** Requests whose end is not where they say, or that come slowly, or never end. */
export const FRAMING_FAULTS = {
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
      `${headOf(
        shot,
        `Content-Length: ${chance.pick(['-1', 'x', '1e3', '0x10', '99999999999999999999', '', '1, 1', '+5'])}\r\n`,
      )}{}`,
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
  'a large body': (shot, chance) => {
    if (shot.body === null) return false;
    const said = chance.pick([1, 2, 9, 17, 40, 10_000]) * MIB + 1;
    const sent = Buffer.alloc(chance.pick([0, 10, 65_536]), 0x20);
    alone(shot, Buffer.concat([Buffer.from(headOf(shot, `Content-Length: ${said}\r\n`), 'latin1'), sent]));
    shot.halfClose = true;
    shot.maySilence = true;
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
