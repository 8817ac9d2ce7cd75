import { gzipSync } from 'node:zlib';
import { alone, type Fault, HARMLESS, MIB, withBody, withHeader } from './fault.ts';
import type { Shot } from './shot.ts';

const takesJson = (shot: Shot) =>
  shot.headers.some(([name, value]) => name === 'Content-Type' && /json/.test(value));

/** Bodies that are not what they should be, in requests that are whole. */
export const BODY_FAULTS = {
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
} satisfies Record<string, Fault>;
