import { afterAll, describe, expect, it } from 'vitest';
import { checkWith } from '../../src/actions/check-with.ts';
import type { Json } from '../../src/domain/json.ts';
import { closeAll } from '../support/services.ts';
import { httpAction, runHttp } from './http-step.ts';

afterAll(closeAll);

const http = httpAction();
const url = 'https://api.example/rows';
const expression = '$' + '{{ input.x }}';

const LITERAL: [name: string, with_: Json, pointer: string, words: string][] = [
  ['no url', {}, '/w', '`url` is missing: where to'],
  ['an empty url', { url: '' }, '/w/url', '`url`'],
  ['no URL', { url: 'rows' }, '/w/url', '`url` is no URL; write one like https://api.example/rows'],
  ['a URL without a scheme', { url: 'api.example/rows' }, '/w/url', 'did you mean http://api.example/rows?'],
  ['another scheme', { url: 'ftp://api.example' }, '/w/url', 'starts with neither http:// nor https://'],
  ['a file', { url: 'file:///etc/passwd' }, '/w/url', 'starts with neither http:// nor https://'],
  ['a name with a port', { url: 'localhost:8080' }, '/w/url', 'starts with neither http:// nor https://'],
  ['a password', { url: 'https://u:p@api.example' }, '/w/url', '{"authorization": "Basic'],
  ['a user', { url: 'https://u@api.example' }, '/w/url', '{"authorization": "Basic'],
  ['an unknown method', { url, method: 'BREW' }, '/w/method', 'one of GET, HEAD, POST'],
  ['a method in small letters', { url, method: 'post' }, '/w/method', 'one of GET, HEAD, POST'],
  ['CONNECT', { url, method: 'CONNECT' }, '/w/method', 'one of GET, HEAD, POST'],
  ['a body with GET', { url, body: 'x' }, '/w/body', 'cannot be sent by GET; add `method`: "POST"'],
  ['a body with HEAD', { url, method: 'HEAD', body: {} }, '/w/body', 'cannot be sent by HEAD'],
  ['too many redirects', { url, redirects: 6 }, '/w/redirects', '`redirects`'],
  ['fewer than none', { url, redirects: -1 }, '/w/redirects', '`redirects`'],
  ['headers as a list', { url, headers: ['a'] }, '/w/headers', '`headers`'],
  ['a header that is a list', { url, headers: { a: ['b'] } }, '/w/headers/a', '`headers` must be'],
  ['a header that is null', { url, headers: { a: null } }, '/w/headers/a', '`headers` must be'],
  ['a line break in a header', { url, headers: { a: 'b\r\nc: d' } }, '/w/headers/a', 'holds a line break'],
  ['a header past Latin-1', { url, headers: { a: '→' } }, '/w/headers/a', 'headers cannot carry'],
  ['a line break in a name', { url, headers: { 'a\n': 'b' } }, '/w/headers/a\n', "not a header's name"],
  ['a name with a colon', { url, headers: { 'a:': 'b' } }, '/w/headers/a:', "not a header's name"],
  ['no name', { url, headers: { '': 'b' } }, '/w/headers/', "not a header's name"],
  ['a name with a slash', { url, headers: { 'a/b': 'c' } }, '/w/headers/a~1b', "not a header's name"],
  ['host', { url, headers: { Host: 'b' } }, '/w/headers/Host', 'cannot be set: it follows from `url`'],
  ['a length', { url, headers: { 'Content-Length': 1 } }, '/w/headers/Content-Length', 'follows from `body`'],
  ['a coding', { url, headers: { 'transfer-encoding': 'x' } }, '/w/headers/transfer-encoding', 'connection'],
  ['connection', { url, headers: { connection: 'x' } }, '/w/headers/connection', 'belongs to the connection'],
  ['expect', { url, headers: { Expect: '100-continue' } }, '/w/headers/Expect', 'belongs to the connection'],
  ['a header twice', { url, headers: { a: 'b', A: 'c' } }, '/w/headers/A', 'is given twice'],
  ['a query value that is an object', { url, query: { a: {} } }, '/w/query/a', '`query` must be'],
  ['a query value two lists deep', { url, query: { a: [[]] } }, '/w/query/a/0', '`query` must be'],
  ['an unknown field', { url, json: {} }, '/w/json', '`json` is not a field of `http`'],
  ['a field that is nearly right', { url, header: {} }, '/w/header', 'did you mean `headers`?'],
];

describe('a literal `with`', () => {
  it.each(LITERAL)('with %s is refused at submit, with its place', (_name, with_, pointer, words) => {
    const problems = checkWith(http, with_, '/w');
    expect(problems).toEqual([{ pointer, code: expect.any(String), detail: expect.stringContaining(words) }]);
  });

  it.each(LITERAL)(
    'with %s fails with with_invalid when expressions have made it',
    async (_name, with_, _at, words) => {
      const { outcome } = await runHttp(with_, { action: http });
      const error = { code: 'with_invalid', message: expect.stringContaining(words) };
      expect(outcome).toMatchObject({ kind: 'failed', retryable: false, error });
    },
  );

  it.each<[string, Json]>([
    ['the least', { url }],
    [
      'everything',
      {
        url,
        method: 'PUT',
        headers: { a: 'b', c: 1, d: true },
        query: { e: [1, null] },
        body: [],
        redirects: 0,
      },
    ],
    ['an address that may not be admitted here', { url: 'http://127.0.0.1:9' }],
    ['no body', { url, body: null }],
    ['a header in Latin-1', { url, headers: { a: 'é' } }],
  ])('is taken: %s', (_name, with_) => expect(checkWith(http, with_, '/w')).toEqual([]));
});

describe('a `with` that holds expressions', () => {
  it.each<[string, Json]>([
    ['as a whole', expression],
    ['as its url', { url: expression }],
    ['in its url', { url: `https://${expression}/rows` }],
    ['behind a name and a port', { url: `${expression}:8080/rows` }],
    [
      'in all of its fields',
      { url, method: expression, headers: expression, query: expression, redirects: expression },
    ],
    ['in a header', { url, headers: { authorization: `Bearer ${expression}\n` } }],
    ['as its body', { url, method: expression, body: expression }],
  ])('is taken: %s', (_name, with_) => expect(checkWith(http, with_, '/w')).toEqual([]));

  it.each<[string, Json, string]>([
    ['its scheme', { url: `ftp://${expression}` }, '/w/url'],
    ['the name of a header', { url: expression, headers: { host: expression } }, '/w/headers/host'],
    ['its body', { url: expression, body: expression }, '/w/body'],
  ])('is refused for what is literal and wrong: %s', (_name, with_, pointer) => {
    expect(checkWith(http, with_, '/w')).toMatchObject([{ pointer }]);
  });
});
