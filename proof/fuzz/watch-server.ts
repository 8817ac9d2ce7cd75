import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';

/** Memory of the server, and whether it said that it lives, over the time of a run. */
export interface Watch {
  /** Largest resident size so far, in MiB. */
  peak(): number;
  /** Resident size now, in MiB. */
  now(): number;
  probes: number;
  /** The slowest answer of /livez, in milliseconds. */
  slowest: number;
  /** What was wrong with answers of /livez. */
  trouble: string[];
  stop(): void;
}

const EVERY_MS = 250;
const PATIENCE_MS = 20_000;

export function watchServer(pid: number, port: number): Watch {
  const size = (name: string) => {
    const status = `/proc/${pid}/status`;
    // A server that has ended has no size; that it ended is told elsewhere.
    const found = existsSync(status)
      ? new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(status, 'utf8'))
      : null;
    return Math.round(Number(found?.[1] ?? 0) / 1024);
  };
  let stopped = false;
  const watch: Watch = {
    peak: () => size('VmHWM'),
    now: () => size('VmRSS'),
    probes: 0,
    slowest: 0,
    trouble: [],
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
  const probe = async () => {
    const began = performance.now();
    const status = await ask(port);
    if (stopped) return;
    watch.probes++;
    watch.slowest = Math.max(watch.slowest, Math.round(performance.now() - began));
    if (status !== 200) watch.trouble.push(`/livez was answered by ${status}`);
    timer = setTimeout(probe, EVERY_MS);
  };
  let timer = setTimeout(probe, EVERY_MS);
  return watch;
}

function ask(port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path: '/livez', agent: false, timeout: PATIENCE_MS };
    const asked = request(options, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('timeout', () => asked.destroy(new Error('nothing in time')));
    asked.on('error', (error) => resolve(error.message));
    asked.end();
  });
}
