import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A worker in a process of its own. */
export interface SoakWorker {
  name: string;
  pid: number;
  /** Tells it to leave; gives its exit code. */
  stop(): Promise<number | null>;
}

const SCRIPT = fileURLToPath(new URL('worker-process.ts', import.meta.url));
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts a worker that asks these servers; resolves once one has registered it. */
export async function startWorker(name: string, servers: readonly string[]): Promise<SoakWorker> {
  const child = spawn(process.execPath, [SCRIPT, name, ...servers], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  const gone = once(child, 'exit').then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  const registered = once(child.stdout, 'data').then(() => true);
  if (!(await Promise.race([registered, gone.then(() => false)])))
    throw new Error(`${name} ended before it was registered`);
  return {
    name,
    pid: child.pid as number,
    stop: () => {
      child.kill('SIGTERM');
      return gone;
    },
  };
}

/** Ends the workers that still live. */
export async function killWorkers(): Promise<void> {
  const left = [...children];
  for (const child of left) child.kill('SIGKILL');
  await Promise.all(left.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
}
