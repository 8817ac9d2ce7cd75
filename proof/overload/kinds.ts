import { randomUUID } from 'node:crypto';
import type { Sent } from './flood.ts';

/** What a flood of one kind sends, and how much of it. */
export interface Kind {
  name: string;
  next: (index: number) => Sent;
  concurrency: number;
  count?: number;
  /** No request begins after so long. */
  ms: number;
  /** What is done to the database meanwhile. */
  database?: 'slow' | 'silent' | 'locked';
}

/** How large the floods are: 1 is more than a server can take, less is for a test that must be quick. */
export interface Size {
  scale: number;
  ms: number;
}

/** What floods aim at: a job that goes on, and one whose row somebody holds. */
export interface Aim {
  jobId: string;
  lockedJobId: string;
  workerId: string;
}

const MIB = 1024 * 1024;
const JSON_TYPE = { 'content-type': 'application/json' };
const TINY = Buffer.from(JSON.stringify({ name: 'tiny', uses: 'proof.nobody' }));

/** A job of so many bytes, as JSON: steps whose `with` is as large as it may be. */
export function largeJob(mib: number): Buffer {
  const filling = 'x'.repeat(250 * 1024);
  const count = Math.max(1, Math.floor((mib * MIB) / filling.length));
  const steps = Array.from({ length: count }, (_, index) => ({
    name: `step_${index}`,
    uses: 'proof.nobody',
    with: { filling },
  }));
  return Buffer.from(JSON.stringify({ name: 'large', steps }));
}

/** A job of ten thousand steps: a megabyte of JSON, and much more of rows. */
export function longJob(steps: number): Buffer {
  const all = Array.from({ length: steps }, (_, index) => ({ name: `step_${index}`, uses: 'proof.nobody' }));
  return Buffer.from(JSON.stringify({ name: 'long', steps: all }));
}

function yamlJob(kib: number): Buffer {
  const steps = Array.from(
    { length: kib * 16 },
    (_, i) => `  - {name: s${i}, uses: proof.nobody, with: {a: 1}}`,
  );
  return Buffer.from(`name: yaml\nsteps:\n${steps.join('\n')}\n`);
}

const post = (path: string, body: Buffer, more: Partial<Sent> = {}): Sent => ({
  method: 'POST',
  path,
  body,
  headers: JSON_TYPE,
  ...more,
});
const get = (path: string): Sent => ({ method: 'GET', path });

/** Everything that a server is flooded with, one after the other. */
export function kindsOf({ scale, ms }: Size, aim: Aim): Kind[] {
  const many = (count: number) => Math.max(4, Math.round(count * scale));
  const [one, four, fifteen] = [largeJob(1), largeJob(4), largeJob(15)] as const;
  const sizes = [fifteen, four, fifteen, one] as const;
  const large = (index: number) => sizes[index % sizes.length] as Buffer;
  const claim = () => {
    const body = { worker_id: aim.workerId, uses: ['proof.nothing'], wait: 5, request_id: randomUUID() };
    return post('/v1/claims', Buffer.from(JSON.stringify(body)));
  };
  const reads = [
    '/v1/jobs?limit=500',
    `/v1/jobs/${aim.jobId}?include=steps`,
    `/v1/jobs/${aim.jobId}/log`,
    `/v1/jobs/${aim.jobId}/steps?limit=500`,
    '/v1/workers',
  ];
  const probes = ['/metrics', '/health', '/readyz', '/openapi.json'];
  const mixed = (index: number): Sent =>
    index % 2 === 0 ? post('/v1/jobs', TINY) : get(reads[(index >> 1) % reads.length] as string);
  return [
    { name: 'connections', next: () => get('/v1/jobs?limit=1'), concurrency: many(10_800), ms },
    {
      ...{ name: 'long-polls', concurrency: many(5_000), count: many(5_000), ms },
      next: () => get(`/v1/jobs/${aim.jobId}?wait=5`),
    },
    { name: 'claim requests', next: claim, concurrency: many(2_500), count: many(2_500), ms },
    {
      ...{ name: 'large jobs', concurrency: many(500), count: many(500), ms },
      next: (index) => post('/v1/jobs', large(index)),
    },
    {
      ...{ name: 'large jobs in chunks', concurrency: many(200), count: many(200), ms },
      next: (index) => post('/v1/jobs', large(index), { chunked: true }),
    },
    {
      ...{ name: 'long jobs', concurrency: many(100), count: many(100), ms },
      next: (() => {
        const body = longJob(10_000);
        return () => post('/v1/jobs', body);
      })(),
    },
    {
      ...{ name: 'jobs in YAML', concurrency: many(40), count: many(40), ms },
      next: (() => {
        const body = yamlJob(60);
        return () => post('/v1/jobs', body, { headers: { 'content-type': 'application/yaml' } });
      })(),
    },
    { name: 'small jobs', next: () => post('/v1/jobs', TINY), concurrency: many(2_000), ms },
    {
      ...{ name: 'reads', concurrency: many(1_000), ms },
      next: (index) => get(reads[index % reads.length] as string),
    },
    {
      ...{ name: 'probes', concurrency: many(400), ms },
      next: (index) => get(probes[index % probes.length] as string),
    },
    { name: 'slow database', next: mixed, concurrency: many(1_000), ms, database: 'slow' },
    {
      ...{ name: 'locked rows', concurrency: many(400), ms, database: 'locked' },
      next: (index) =>
        index % 2 === 0 ? post(`/v1/jobs/${aim.lockedJobId}/cancel`, Buffer.from('{}')) : mixed(index >> 1),
    },
    { name: 'silent database', next: mixed, concurrency: many(1_000), ms, database: 'silent' },
  ];
}
