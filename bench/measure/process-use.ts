import { readFileSync } from 'node:fs';

/** What processes use is read from /proc, so on Linux only, which counts CPU time in ticks of 10 ms. */
const TICK_MS = 10;
const PEAK_LOOK_MS = 250;

/** Milliseconds of CPU that a process has used so far, without its children. */
export function cpuOf(pid: number): number {
  return readStat(pid).own;
}

/** Milliseconds of CPU of a postmaster and all its children, those that have ended included. */
export function cpuOfPostgres(postmaster: number): number {
  const running = childrenOf(postmaster).reduce((sum, pid) => sum + cpuIfThere(pid), 0);
  const { own, ended } = readStat(postmaster);
  return running + own + ended;
}

/** Megabytes in memory now. */
export function memoryOf(pid: number): number {
  const { anonymous, file, shared } = readMemory(pid);
  return (anonymous + file + shared) / 1024;
}

/** Megabytes of all processes of Postgres together: what each has for itself, and once what they share. */
export function memoryOfPostgres(postmaster: number): number {
  const all = [postmaster, ...childrenOf(postmaster)].flatMap((pid) => {
    try {
      return [readMemory(pid)];
    } catch {
      // It ended in between.
      return [];
    }
  });
  const most = (read: (one: Memory) => number) => Math.max(0, ...all.map(read));
  const own = all.reduce((sum, { anonymous }) => sum + anonymous, 0);
  return (own + most(({ file }) => file) + most(({ shared }) => shared)) / 1024;
}

/** Looks four times a second what the most is, until it is asked. */
export function watchPeak(read: () => number): { end(): number } {
  let peak = read();
  const look = () => {
    try {
      peak = Math.max(peak, read());
    } catch {
      // It ended, and so does watching it.
      clearInterval(timer);
    }
  };
  const timer = setInterval(look, PEAK_LOOK_MS).unref();
  return {
    end() {
      look();
      clearInterval(timer);
      return peak;
    },
  };
}

/** Whether a process is stopped by a signal. */
export function isHeldStill(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

interface Memory {
  anonymous: number;
  file: number;
  shared: number;
}

function readMemory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return { anonymous: kilobytes('RssAnon'), file: kilobytes('RssFile'), shared: kilobytes('RssShmem') };
}

function readStat(pid: number): { own: number; ended: number } {
  // The name of the program, in brackets, may hold anything.
  const [, rest = ''] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
  const fields = rest.split(' ').map(Number);
  const ticks = (from: number) => ((fields[from] ?? 0) + (fields[from + 1] ?? 0)) * TICK_MS;
  return { own: ticks(11), ended: ticks(13) };
}

function cpuIfThere(pid: number): number {
  try {
    return cpuOf(pid);
  } catch {
    return 0;
  }
}

function childrenOf(parent: number): number[] {
  const pids = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ');
  return pids.filter((pid) => pid !== '').map(Number);
}
