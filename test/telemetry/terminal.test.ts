import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createBanner } from '../../src/telemetry/banner.ts';
import { createLogger } from '../../src/telemetry/logger.ts';

/** What a terminal shows of what is logged. */
function shown(log: (logger: ReturnType<typeof createLogger>) => void): string {
  const destination = new PassThrough();
  log(createLogger({ level: 'info', pretty: true, destination }));
  return stripVTControlCharacters(String(destination.read()));
}

describe('a terminal', () => {
  it('shows at the start where the API, the documents and the state of the server are, once', () => {
    const banner = createBanner({ version: '1.2.3', keeps: './data', pretty: true });
    const text = shown((log) => log.info(banner('http://127.0.0.1:3000')));
    expect(text).toContain('holdfast 1.2.3 is ready\n\n');
    for (const path of ['/v1', '/docs', '/health']) expect(text).toContain(`http://127.0.0.1:3000${path}\n`);
    expect(text).toContain('kept in ./data');
    expect(banner('http://10.0.0.7:3000')).toBe('also at http://10.0.0.7:3000');
  });

  it('shows the instant, the level, the text and the id of the job, and no field twice', () => {
    const fields = { job_id: '01a1fe09', step: 'count', attempt: 1, status: 'succeeded' };
    const text = shown((log) => log.info(fields, 'step hello/count succeeded in 36ms'));
    expect(text).toMatch(/^\[\d\d:\d\d:\d\d\] INFO: step hello\/count succeeded in 36ms {2}01a1fe09\n$/);
  });
});

describe('a name or an error of a user in a terminal', () => {
  const hostile = 'a\u001b]0;title\u0007\u001b[2J\u009b1mb\r\n[00:00:00] ERROR: false\u202e\u2028c';

  it('moves no cursor, begins no line and turns no text around', () => {
    const raw = new PassThrough();
    const log = createLogger({ level: 'info', pretty: true, destination: raw });
    log.info({ job_id: '01a1fe09' }, `job ${hostile} is queued`);
    log.info({ url: '/x' }, `GET /${hostile} 404`);
    log.error({ err: new Error(hostile) }, 'a request failed');
    const text = String(raw.read());
    expect(text).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069\u2028]/u);
    expect(text.split('\n').slice(0, 2)).toEqual([
      expect.stringContaining('job a ]0;title [2J 1mb [00:00:00] ERROR: false c is queued  01a1fe09'),
      expect.stringContaining('GET /a '),
    ]);
  });

  it('is one line of JSON where lines are for programs', () => {
    const raw = new PassThrough();
    createLogger({ level: 'info', pretty: false, destination: raw }).info({ job_id: hostile }, hostile);
    const lines = String(raw.read()).split('\n');
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0] as string)).toMatchObject({ msg: hostile, job_id: hostile });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
    expect(lines[0]).not.toMatch(/[\u0000-\u001f]/);
  });
});
