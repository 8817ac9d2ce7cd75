import type pg from 'pg';
import { type createLoad, readProgress } from './load.ts';
import type { FleetServers } from './servers.ts';
import type { FleetWorker } from './workers.ts';

export interface FleetPlan {
  servers: number;
  workers: number;
  /** Workers in processes of their own, one of which is stopped for a while (SIGSTOP); else all in this one. */
  processes: boolean;
  /** Goes on until at least so many steps were submitted, and until all that is to happen has happened. */
  steps: number;
  /** Between two submits of about 120 steps, in milliseconds. */
  pauseMs: number;
  /** What happens to the servers: one after the other, spread over the steps. */
  happens: readonly Happening[];
  /** Milliseconds; then the run has failed. */
  deadlineMs: number;
}

export interface Happening {
  what: 'kill' | 'stop';
  server: number;
  /** How long it stays away, in milliseconds. */
  awayMs: number;
}

/** Steps that may be open at once: enough for every worker, and not so many that all wait. */
const BACKLOG = 1_500;
const LOOK_MS = 200;
const SAY_MS = 2_000;
const STALL_MS = 6_000;

const nap = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Course {
  plan: FleetPlan;
  servers: FleetServers;
  workers: readonly FleetWorker[];
  load: ReturnType<typeof createLoad>;
  pool: pg.Pool;
  /** As it was at the last look. */
  progress: Awaited<ReturnType<typeof readProgress>>;
  /** Whether all that is to happen has happened. */
  happened: boolean;
  /** Whether to give up. */
  isOver(): boolean;
  tell(line: string): void;
}

/** Submits, and lets happen what is to happen, until every job has ended. Whether that was in time. */
export async function drive(
  plan: FleetPlan,
  fleet: Pick<Course, 'servers' | 'workers' | 'load' | 'pool'> & {
    signal: AbortSignal;
    say(line: string): void;
  },
): Promise<boolean> {
  const { signal, say, ...parts } = fleet;
  const started = performance.now();
  const passed = () => performance.now() - started;
  const failures: unknown[] = [];
  const course: Course = {
    ...{ plan, ...parts },
    progress: { steps: 0, over: 0, openJobs: 0 },
    happened: false,
    isOver: () => failures.length > 0 || signal.aborted || passed() > plan.deadlineMs,
    tell: (line) => say(`${(passed() / 1000).toFixed(1).padStart(6)} s  ${line}`),
  };
  await Promise.all(
    [submitAll, letAllHappen, stallOne, lookOn].map((part) =>
      part(course).catch((error) => failures.push(error)),
    ),
  );
  if (failures.length > 0) throw failures[0];
  signal.throwIfAborted();
  const { over, openJobs } = await readProgress(course.pool);
  course.tell(`${over} of ${course.load.steps} steps, ${openJobs} jobs open`);
  return openJobs === 0;
}

const isSubmitting = ({ load, plan, happened }: Course) => load.steps < plan.steps || !happened;

async function submitAll(course: Course): Promise<void> {
  const { plan, load } = course;
  while (!course.isOver() && isSubmitting(course)) {
    const open = load.steps - course.progress.over;
    if (open < Math.min(BACKLOG, plan.steps / 8)) await load.submit();
    await nap(Math.max(plan.pauseMs, 5));
  }
}

async function letAllHappen(course: Course): Promise<void> {
  const { plan, servers, tell } = course;
  for (const [index, one] of plan.happens.entries()) {
    const from = (plan.steps * (index + 1)) / (plan.happens.length + 1.5);
    while (course.progress.over < from && !course.isOver()) await nap(20);
    if (course.isOver()) return;
    await letHappen(one, servers, tell);
  }
  course.happened = true;
}

async function letHappen(
  { what, server, awayMs }: Happening,
  servers: FleetServers,
  tell: (line: string) => void,
): Promise<void> {
  await (what === 'kill' ? servers.kill(server) : servers.stop(server));
  const end = servers.lives.findLast((life) => life.server === `server ${server + 1}`)?.end;
  const how = what === 'kill' ? 'was killed' : `stopped when told to (exit code ${end?.code})`;
  tell(`server ${server + 1} ${how}, with ${end?.held} steps of its own running`);
  await nap(awayMs);
  await servers.start(server);
  tell(`server ${server + 1} is back`);
}

async function stallOne(course: Course): Promise<void> {
  const { plan, tell } = course;
  const pid = course.workers[0]?.pid;
  if (pid === undefined) return;
  while (course.progress.over < plan.steps / 10 && !course.isOver()) await nap(20);
  if (course.isOver()) return;
  process.kill(pid, 'SIGSTOP');
  tell(`worker-1 stands still for ${STALL_MS / 1000} s, three times as long as its claims last`);
  await nap(STALL_MS);
  process.kill(pid, 'SIGCONT');
  tell('worker-1 goes on');
}

async function lookOn(course: Course): Promise<void> {
  const { plan, load, tell } = course;
  let saidAt = 0;
  const isWorking = () => isSubmitting(course) || course.progress.openJobs > 0;
  while (!course.isOver() && (isWorking() || course.progress.steps < load.steps)) {
    course.progress = await readProgress(course.pool);
    if (performance.now() - saidAt > SAY_MS) {
      saidAt = performance.now();
      const { over, openJobs } = course.progress;
      tell(`${over} of ${Math.max(plan.steps, load.steps)} steps, ${openJobs} jobs open`);
    }
    await nap(LOOK_MS);
  }
}
