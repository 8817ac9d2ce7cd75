import type pg from 'pg';
import type { Random } from '../../test/engine/random-jobs.ts';
import { applyFaults, type Targets } from './apply-faults.ts';
import type { StormClients } from './clients.ts';
import type { Evidence } from './evidence.ts';
import { drawFaults } from './faults.ts';
import type { Ledger } from './ledger.ts';

/** What the storm goes over. */
export interface Scene extends Targets {
  plan: { ms: number; pauseMs: number; calmMs: number };
  clients: StormClients;
  pool: pg.Pool;
  ledger: Ledger;
  random: Random;
}

/** Steps that may be open at once: enough for every worker, and not so many that all wait. */
const BACKLOG = 700;
const BATCH = 12;
const SUBMITS_AT_ONCE = 3;
const SAY_MS = 5_000;

const nap = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Progress {
  /** Of jobs that were not deleted. */
  over: number;
  open: number;
  openJobs: number;
}

/** Submits while faults come, then waits for the end of all jobs. Gives what was seen on the way. */
export async function weather(
  scene: Scene,
  { signal, say }: { signal: AbortSignal; say(line: string): void },
): Promise<Pick<Evidence, 'openJobs' | 'figures' | 'wrong'>> {
  const { plan, clients, servers } = scene;
  const started = performance.now();
  const tell = (line: string) =>
    say(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${line}`);
  let progress: Progress = { over: 0, open: 0, openJobs: 0 };
  let isRaging = true;
  let saidAt = 0;

  async function look(): Promise<void> {
    // The database may be away just now: then all is as it was.
    progress = await readProgress(scene.pool).catch(() => progress);
    if (performance.now() - saidAt < SAY_MS) return;
    saidAt = performance.now();
    tell(`${progress.over} steps over, ${progress.open} to go, ${progress.openJobs} jobs open`);
  }

  const submits = new Set<Promise<void>>();
  async function submitAll(): Promise<void> {
    while (isRaging && !signal.aborted) {
      await look();
      if (submits.size < SUBMITS_AT_ONCE && progress.open < BACKLOG) {
        const submit = clients.submit(BATCH).finally(() => submits.delete(submit));
        submits.add(submit);
      }
      await nap(100);
    }
  }

  const faults = drawFaults(scene.random, plan);
  const submitting = submitAll();
  await applyFaults(faults, scene, { ledger: scene.ledger, signal, tell });
  isRaging = false;
  for (const { door } of servers) door.calm();
  const calmAt = performance.now();
  tell('nothing happens any more');
  const isQuiet = () => submits.size === 0 && clients.caring === 0 && progress.openJobs === 0;
  await submitting;
  while (performance.now() - calmAt < plan.calmMs && !signal.aborted) {
    await look();
    if (isQuiet()) break;
    await nap(100);
  }
  signal.throwIfAborted();
  const settledMs = performance.now() - calmAt;
  tell(`${progress.over} steps over, ${progress.openJobs} jobs open`);
  const wrong = servers.flatMap(({ name, endedByItself }) =>
    endedByItself.map((said) => `${name} ended: ${said}`),
  );
  if (!isQuiet()) wrong.push(`${submits.size} submits and ${clients.caring} jobs still looked after`);
  return {
    openJobs: progress.openJobs,
    wrong,
    figures: [
      ['duration of the faults', `${(plan.ms / 1000).toFixed(0)} s`],
      ['until all was over after the last one', `${(settledMs / 1000).toFixed(1)} s`],
      ...figuresOf(scene),
    ],
  };
}

async function readProgress(pool: pg.Pool): Promise<Progress> {
  const { rows } = await pool.query<Progress>(`
    select coalesce(sum(steps_succeeded + steps_failed + steps_skipped + steps_cancelled), 0)::int4 as over,
      coalesce(sum(steps_pending + steps_ready + steps_running + steps_waiting), 0)::int4 as open,
      (count(*) filter (where finished_at is null))::int4 as "openJobs"
    from job`);
  return rows[0] as Progress;
}

/** What became of those that were there, besides what they wrote down. */
function figuresOf({ servers, workers, postgres }: Targets): Evidence['figures'] {
  const total = (counts: number[]) => String(counts.reduce((sum, count) => sum + count, 0));
  const doors = servers.map(({ door }) => door.counts);
  const errors = new Map<string, number>();
  for (const [message, count] of servers.flatMap((server) => [...server.errors]))
    errors.set(message, (errors.get(message) ?? 0) + count);
  return [
    ['requests cut before the server heard them', total(doors.map(({ cut }) => cut))],
    ['answers swallowed after the server had done it', total(doors.map(({ swallow }) => swallow))],
    ['requests delayed', total(doors.map(({ delay }) => delay))],
    ['connections half-open', total(doors.map(({ freeze }) => freeze))],
    [
      'starts of a server refused while the database was away',
      total(servers.map((one) => one.refusedStarts)),
    ],
    ['workers that left by themselves', total(workers.map((one) => one.endedByItself))],
    [
      'disk of its own',
      postgres.hasOwnDisk ? 'yes' : 'no: this user may not mount one, so it was not filled',
    ],
    [
      'errors in the logs of the servers',
      [...errors].map(([text, n]) => `${n} × ${text}`).join('; ') || 'none',
    ],
  ];
}
