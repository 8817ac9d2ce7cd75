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
