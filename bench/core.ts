/**
 * The figures of the engine, printed: `npm run bench`. One server process with its own empty database, everything
 * over HTTP on loopback. Absolute figures depend on the machine; compare runs on one machine only.
 */
import { readFileSync } from 'node:fs';
import { type BenchServer, startBenchServer } from './server.ts';
import { chain, fan, layered, wide } from './shapes.ts';

const CLIENTS = 10;
const JOBS = Number(process.env.JOBS ?? 1000);
const CLOCK_TICKS = 100;

type Body = Record<string, unknown>;

async function post(server: BenchServer, body: Body, query = ''): Promise<Body> {
  const answer = await fetch(`${server.url}/v1/jobs${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const json = (await answer.json()) as Body;
  if (!answer.ok) throw new Error(`${answer.status} ${JSON.stringify(json)}`);
  return json;
}

async function submitMany(server: BenchServer, count: number, body: Body): Promise<number> {
  const from = performance.now();
  let left = count;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (left-- > 0) await post(server, body);
    }),
  );
  return performance.now() - from;
}

async function number(server: BenchServer, sql: string, values: unknown[] = []): Promise<number> {
  const { rows } = await server.database.query({ text: sql, values, rowMode: 'array' });
  return Number(rows[0]?.[0]);
}

async function until(condition: () => Promise<boolean>, ms = 300_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('it took too long');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const allDone = (server: BenchServer, name: string) => async () =>
  (await number(server, 'select count(*) from job where name = $1 and finished_at is null', [name])) === 0;

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(62)} ${value}\n`);
}

async function submitRate(server: BenchServer): Promise<void> {
  const ms = await submitMany(server, JOBS, { name: 'submit', delay: '1d', steps: fan(8) });
  print(`submit, ten-step jobs over HTTP, ${CLIENTS} clients`, `${Math.round((JOBS / ms) * 1000)} jobs/s`);
  await server.database.query(`delete from job where name = 'submit'`);
}

async function drain(server: BenchServer, name: string, steps: unknown[], jobs: number): Promise<void> {
  const ahead = Math.ceil((jobs * steps.length) / 4000) + 3;
  const runAt = new Date(Date.now() + ahead * 1000);
  const submitted = await submitMany(server, jobs, { name, run_at: runAt.toISOString(), steps });
  if (submitted > ahead * 1000) throw new Error('submitting took longer than the head start');
  await until(allDone(server, name));
  const ms = await number(
    server,
    'select extract(epoch from max(finished_at) - min(run_at)) * 1000 from job where name = $1',
    [name],
  );
  print(
    `drain, ${name}, ${jobs} jobs of ${steps.length}`,
    `${Math.round((jobs * steps.length * 1000) / ms)} steps/s`,
  );
}

async function cost(server: BenchServer): Promise<void> {
  const commits = () =>
    number(server, `select xact_commit from pg_stat_database where datname = current_database()`);
  const wal = () => number(server, `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')`);
  const settleStatistics = () => new Promise((resolve) => setTimeout(resolve, 1500));
  await server.database.query('checkpoint');
  await settleStatistics();
  const before = [await commits(), await wal()] as const;
  const from = performance.now();
  await submitMany(server, JOBS, { name: 'cost', steps: fan(8) });
  await until(allDone(server, 'cost'));
  const ms = performance.now() - from;
  await settleStatistics();
  const steps = JOBS * 10;
  print(`submit and run at once, fan 1-8-1, ${JOBS} jobs`, `${Math.round((steps / ms) * 1000)} steps/s`);
  print('  commits a step, submit included', (((await commits()) - before[0]) / steps).toFixed(3));
  print('  WAL a step, submit included', `${(((await wal()) - before[1]) / steps / 1024).toFixed(2)} KB`);
}

async function idleChain(server: BenchServer): Promise<void> {
  const inside: number[] = [];
  const outside: number[] = [];
  for (let i = 0; i < 60; i += 1) {
    const from = performance.now();
    const job = await post(server, { name: 'idle', steps: chain(10) }, '?wait=30s');
    outside.push(performance.now() - from);
    inside.push(
      await number(
        server,
        'select extract(epoch from finished_at - created_at) * 1000 from job where id = $1',
        [job.id],
      ),
    );
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;
  print('idle chain of 10, p50, submit to done in the database', `${median(inside).toFixed(1)} ms`);
  print('idle chain of 10, p50, POST to answer', `${median(outside).toFixed(1)} ms`);
}

async function giant(server: BenchServer): Promise<void> {
  for (const [name, steps] of [
    ['giant wide', wide(10_000)],
    ['giant chain', chain(10_000)],
    ['giant layered 100 x 31', layered(100, 31)],
  ] as const) {
    const body = { name, steps };
    const from = performance.now();
    await post(server, body);
    const accepted = performance.now() - from;
    await until(allDone(server, name));
    const ms = performance.now() - from;
    const rate = Math.round((steps.length / ms) * 1000);
    print(`one job, ${name}, ${steps.length} steps: accepted`, `${accepted.toFixed(0)} ms`);
    print(`one job, ${name}, ${steps.length} steps: done`, `${rate} steps/s`);
  }
}

async function restart(server: BenchServer): Promise<void> {
  const body = {
    name: 'restart',
    steps: Array.from({ length: 40 }, (_, i) => ({ name: `s${i}`, uses: 'shell', with: { run: 'sleep 1' } })),
  };
  await post(server, body);
  await until(async () => (await number(server, `select count(*) from step where status = 'running'`)) > 0);
  const killedAt = await number(server, 'select extract(epoch from clock_timestamp()) * 1000');
  const { readyAt } = await server.crashAndRestart();
  const resumed = () =>
    number(
      server,
      `select extract(epoch from min(started_at)) * 1000 from step where started_at > to_timestamp($1 / 1000.0)`,
      [killedAt],
    );
  await until(async () => (await resumed()) > 0);
  const first = await resumed();
  print('restart after SIGKILL: ready to first resumed step', `${Math.round(first - readyAt)} ms`);
  await until(allDone(server, 'restart'));
}

function processUse(pid: number): { cpuMs: number; rssMb: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const cpuMs = ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS;
  return { cpuMs, rssMb: (Number(fields[21]) * 4096) / 2 ** 20 };
}

async function idle(server: BenchServer, when: string): Promise<void> {
  const seconds = 5;
  const before = processUse(server.pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = processUse(server.pid);
  print(`idle server ${when}: CPU`, `${((after.cpuMs - before.cpuMs) / seconds / 10).toFixed(1)} %`);
  print(`idle server ${when}: memory`, `${after.rssMb.toFixed(0)} MB`);
}

const SECTIONS: Record<string, (server: BenchServer) => Promise<void>> = {
  start: (server) => idle(server, 'after the start'),
  idle: idleChain,
  submit: submitRate,
  fan: (server) => drain(server, 'fan 1-8-1', fan(8), JOBS),
  chain: (server) => drain(server, 'chain', chain(10), JOBS),
  layered: (server) => drain(server, 'layered 4 x 5', layered(4, 5), JOBS / 2),
  cost,
  giant,
  restart,
  end: (server) => idle(server, 'after all this'),
};

const asked = process.argv.slice(2);
const server = await startBenchServer();
try {
  for (const [name, section] of Object.entries(SECTIONS)) {
    if (asked.length === 0 || asked.includes(name)) await section(server);
  }
} finally {
  await server.stop();
}
