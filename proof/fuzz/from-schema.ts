import { EXAMPLE_CLAIM_ID, EXAMPLE_WORKER_ID } from '../../src/contract/claim.ts';
import { DURATION_TEXT } from '../../src/contract/scalars.ts';
import { finishDefinition, finishStep } from './definition.ts';
import type { Described, Schema } from './document.ts';
import type { Pool } from './pool.ts';
import type { Chance } from './random.ts';

/** What values are made from. */
export interface Source {
  chance: Chance;
  pool: Pool;
  described: Described;
}

/** Actions that only remote workers know; few, so that workers and steps find each other. */
export const REMOTE_ACTIONS = ['fuzz-a', 'fuzz-b', 'fuzz/c.d_e'];
const QUEUES = ['default', 'other', 'a/b.c'];

const DURATIONS: Record<string, (string | number)[]> = {
  wait: ['0s', 0, '1ms', '50ms', '200ms', '400ms'],
  ttl: ['1s', '2s', '30s', 60, '5m', '1h', 3600],
  timeout: ['500ms', '2s', 30, '5m', '1h30m', '24h'],
  delay: ['0s', 0, '10ms', '200ms', '1s', 2, '1h'],
  max_delay: ['0s', '100ms', '1s', '5m'],
  retry_after: ['0s', 0, '50ms', '1s', '10m'],
};

/** A value that the schema takes, and that means something to the server where only live ids do. */
export function fromSchema(given: Schema, name: string, source: Source): unknown {
  const { chance, described } = source;
  const schema = described.resolve(given);
  const [example] = schema.examples ?? [];
  if (example === EXAMPLE_CLAIM_ID) return source.pool.claim(chance) ?? EXAMPLE_CLAIM_ID;
  if (example === EXAMPLE_WORKER_ID) return source.pool.worker(chance)?.id ?? EXAMPLE_WORKER_ID;
  if (schema.anyOf?.[0]?.pattern === DURATION_TEXT) return chance.pick(DURATIONS[name] ?? ['1s', 2]);
  if (schema.enum !== undefined) return chance.pick(schema.enum);
  const made = fromType(schema, name, source);
  if (given.$ref?.endsWith('/StepDefinition')) return finishStep(made as Record<string, unknown>, source);
  if (given.$ref?.endsWith('/JobDefinition'))
    return finishDefinition(made as Record<string, unknown>, source);
  return made;
}

function fromType(schema: Schema, name: string, source: Source): unknown {
  const { chance } = source;
  const type = Array.isArray(schema.type) ? chance.pick(schema.type) : schema.type;
  if (type === 'object') return objectOf(schema, source);
  if (type === 'array') return listOf(schema, name, source);
  if (type === 'string') return textOf(schema, name, source);
  if (type === 'boolean') return chance.is(0.5);
  if (type === 'integer') return wholeOf(schema, chance);
  if (type === 'number') return chance.pick([0, 1, 0.5, chance.unit()]);
  return type === 'null' ? null : anyJson(chance, 3);
}

function objectOf(schema: Schema, source: Source): Record<string, unknown> {
  const { chance } = source;
  const made: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    if (schema.required?.includes(key) || chance.is(0.35)) made[key] = fromSchema(field, key, source);
  }
  const { additionalProperties: others } = schema;
  if (typeof others === 'object') {
    for (let left = chance.below(4); left > 0; left--)
      made[`k${chance.below(5)}`] = fromSchema(others, '', source);
  }
  return made;
}

function listOf(schema: Schema, name: string, source: Source): unknown[] {
  const { chance } = source;
  const least = schema.minItems ?? 0;
  const length = Math.min(schema.maxItems ?? 5, Math.max(least, chance.below(chance.is(0.05) ? 40 : 5)));
  const items = Array.from({ length }, () => fromSchema(schema.items ?? {}, name, source));
  // Lists of names hold each once.
  return typeof items[0] === 'string' ? [...new Set(items)] : items;
}

function wholeOf({ minimum = -1000, maximum = 1000 }: Schema, chance: Chance): number {
  if (chance.is(0.2)) return chance.pick([minimum, maximum]);
  return minimum + chance.below(Math.min(maximum - minimum, 50) + 1);
}

function textOf(schema: Schema, name: string, { chance }: Source): string {
  if (name === 'uses') return chance.pick(REMOTE_ACTIONS);
  if (name === 'queues' || name === 'queue') return chance.pick(QUEUES);
  if (schema.format === 'date-time') return instant(chance);
  if (schema.pattern !== undefined && schema.pattern !== '\\S')
    return String((schema.examples ?? [`s${chance.below(9)}`])[0]);
  const most = schema.maxLength ?? 40;
  if (chance.is(0.05)) return 'é'.repeat(most);
  const text = chance.pick([
    'hello',
    'nightly report',
    'zß水🍌',
    '"quoted" \\ /',
    'a\tb',
    `w${chance.word(5)}`,
  ]);
  return text.slice(0, most);
}

export function instant(chance: Chance): string {
  const near = new Date(Date.parse('2026-11-21T00:00:00Z') + chance.below(400) * 3_600_000).toISOString();
  return chance.pick([near, '2020-01-01T00:00:00Z', '2026-11-21T02:00:00+14:00', '8999-12-31T23:59:59.999Z']);
}

/** Any JSON, of no great size. */
export function anyJson(chance: Chance, depth: number): unknown {
  const kind = chance.below(depth > 0 ? 8 : 6);
  if (kind === 0) return null;
  if (kind === 1) return chance.is(0.5);
  if (kind === 2) return chance.pick([0, -1, 1.5, 1e21, 2 ** 53 - 1, -1e-7]);
  if (kind < 6) return chance.pick(['', 'text', 'ünï', '😀', '$${{ no expression', chance.word(8)]);
  const inner = Array.from({ length: chance.below(4) }, () => anyJson(chance, depth - 1));
  return kind === 6 ? inner : Object.fromEntries(inner.map((value, index) => [`f${index}`, value]));
}
