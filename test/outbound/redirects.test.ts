import { describe, expect, it } from 'vitest';
import { followRedirect, type Hop, isRedirect, showUrl } from '../../src/outbound/redirects.ts';

const HEADERS = {
  authorization: 'Bearer a',
  cookie: 'b=c',
  'proxy-authorization': 'Basic d',
  'content-type': 'application/json',
  'content-language': 'en',
  'idempotency-key': 'j/s/0',
  'x-api-key': 'e',
};

function hop(method: string, url = 'https://api.example/a/b?q=1'): Hop {
  return { method, url: new URL(url), headers: HEADERS, body: method === 'GET' ? null : '{}' };
}

function follow(from: Hop, status: number, location: string): Hop {
  const next = followRedirect(from, status, location);
  if (typeof next === 'string') throw new Error(next);
  return next;
}

describe('a redirect', () => {
  it.each([
    [301, 'POST', 'GET'],
    [301, 'PUT', 'PUT'],
    [301, 'GET', 'GET'],
    [301, 'HEAD', 'HEAD'],
    [302, 'POST', 'GET'],
    [302, 'DELETE', 'DELETE'],
    [303, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [303, 'DELETE', 'GET'],
    [303, 'HEAD', 'HEAD'],
    [307, 'POST', 'POST'],
    [307, 'PUT', 'PUT'],
    [308, 'POST', 'POST'],
  ])('by %i turns %s into %s, and drops the body with its headers when that changes', (status, from, to) => {
    const next = follow(hop(from), status, '/c');
    expect(next.method).toBe(to);
    const kept = from === to;
    expect(next.body).toBe(kept ? hop(from).body : null);
    expect('content-type' in next.headers).toBe(kept);
    expect('content-language' in next.headers).toBe(kept);
    expect(next.headers).toMatchObject({ authorization: 'Bearer a', 'idempotency-key': 'j/s/0' });
  });

  it.each([
    ['/c?d=e', 'https://api.example/c?d=e'],
    ['c', 'https://api.example/a/c'],
    ['?x', 'https://api.example/a/b?x'],
    ['//other.example/', 'https://other.example/'],
    ['http://0x7f.1/', 'http://127.0.0.1/'],
    ['https://other.example:8443/x#y', 'https://other.example:8443/x#y'],
  ])('to %s leads to %s', (location, url) => {
    expect(follow(hop('GET'), 302, location).url.href).toBe(url);
  });

  it.each([
    ['https://other.example/'],
    ['https://api.example:8443/'],
    ['http://api.example/'],
    ['//sub.api.example/'],
  ])('to another origin takes no credentials along: %s', (location) => {
    expect(follow(hop('PUT'), 307, location).headers).toEqual({
      'content-type': 'application/json',
      'content-language': 'en',
      'idempotency-key': 'j/s/0',
      'x-api-key': 'e',
    });
  });

  it('within one origin keeps them', () => {
    expect(follow(hop('PUT'), 307, 'https://api.example:443/x').headers).toEqual(HEADERS);
  });

  it.each([
    ['http://', 'no URL'],
    ['http://[::1', 'no URL'],
    ['file:///etc/passwd', 'neither http:// nor https://'],
    ['ftp://api.example/', 'neither http:// nor https://'],
    ['javascript:1', 'neither http:// nor https://'],
    ['https://user:pass@api.example/', 'a user or a password'],
    ['https://user@api.example/', 'a user or a password'],
  ])('to %s is not followed', (location, words) => {
    expect(followRedirect(hop('GET'), 302, location)).toContain(words);
  });

  it.each([
    [200, '/x', false],
    [300, '/x', false],
    [301, '/x', true],
    [302, undefined, false],
    [304, '/x', false],
    [305, '/x', false],
    [308, '', true],
  ])('is one for %i with the location %s: %s', (status, location, is) => {
    expect(isRedirect(status, location)).toBe(is);
  });
});

describe('a URL as it is shown', () => {
  it('has no query, and ends at some length', () => {
    expect(showUrl(new URL('https://api.example/a?key=secret#x'))).toBe('https://api.example/a?…');
    expect(showUrl(new URL('https://api.example'))).toBe('https://api.example/');
    expect(showUrl(new URL(`https://api.example/${'x'.repeat(900)}`))).toMatch(/^.{200}…$/);
  });
});
