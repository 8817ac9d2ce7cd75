/**
 * The process in which one measurement happens: `node child.ts MODULE TASK`. It does what its parent says, one phase
 * after the other, and ends with it.
 */
import type { Contestant, Open, Phase, Report, Task } from './contestant.ts';

const [module = '', text = ''] = process.argv.slice(2);
const task = JSON.parse(text) as Task;
let contestant: Contestant | undefined;

const now = () => performance.timeOrigin + performance.now();
const report = (message: Report) => process.send?.(message);

async function run(phase: Phase): Promise<void> {
  if (phase === 'prepare') {
    const { open } = (await import(module)) as { open: Open };
    contestant = await open(task);
  }
  if (contestant === undefined) throw new Error('not prepared');
  const from = now();
  const done = { say: 'done', phase, from } as const;
  if (phase === 'verify') {
    const verdict = await contestant.verify();
    report({ ...done, to: now(), verdict });
    return;
  }
  if (phase === 'drain') await contestant.drain(() => report({ say: 'started', at: now() }));
  else await contestant[phase]();
  const { databasePid } = contestant;
  report({ ...done, to: now(), ...(databasePid === undefined ? {} : { databasePid }) });
}

process.on('message', (phase: Phase) => {
  run(phase).catch((error: unknown) => {
    report({
      say: 'failed',
      phase,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  });
});
// Whoever asked is gone: what was started here is in the same process group and goes too.
process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'));
