/** Writes `client/src/wire.ts`: the schemas of the wire as plain TypeScript, for a client that holds no server. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import * as claim from '../src/contract/claim.ts';
import * as health from '../src/contract/health.ts';
import * as job from '../src/contract/job.ts';
import * as definition from '../src/contract/job-definition.ts';
import * as keepClaim from '../src/contract/keep-claim.ts';
import * as problem from '../src/contract/problem.ts';
import { CleanupQuery, ListJobsQuery, ListStepsQuery } from '../src/contract/requests.ts';
import * as settleClaim from '../src/contract/settle-claim.ts';
import * as step from '../src/contract/step.ts';
import * as worker from '../src/contract/worker.ts';

export const WIRE_FILE = 'client/src/wire.ts';

type Schema = Record<string, unknown>;

const HEAD =
  '// Made by `npm run client:types` from the schemas in src/contract/: change those, not this.\n\n';
const QUERIES = { CleanupQuery, ListJobsQuery, ListStepsQuery, ListWorkersQuery: worker.ListWorkersQuery };

/** The text of the file as the schemas are now, formatted as `npm run check` wants it. */
export async function clientTypes(): Promise<string> {
  const modules = [claim, keepClaim, settleClaim, health, job, definition, problem, step, worker];
  const exported = modules.flatMap((module) => Object.values(module) as unknown[]);
  const named = exported.filter(isNamed).map((schema) => [nameOf(schema.$id), schema] as const);
  const definitions = Object.fromEntries(
    [...named, ...Object.entries(QUERIES)].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const text = await compile({ type: 'object', definitions: plain(definitions) } as JSONSchema, 'Wire', {
    additionalProperties: false,
    bannerComment: '',
    format: false,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
  });
  return format(HEAD + withoutMention(text));
}

/** The client has a class `Worker`: what it reads of workers is called otherwise. */
function nameOf(id: string): string {
  return id === 'Worker' ? 'WorkerEntry' : id;
}

function isNamed(value: unknown): value is Schema & { $id: string } {
  return typeof value === 'object' && value !== null && typeof (value as Schema).$id === 'string';
}

/** As the compiler of types wants it: references lead into this document, what users give is `unknown`. */
function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plain);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).filter(([key]) => !['$id', 'examples', 'pattern'].includes(key));
  const copy = Object.fromEntries(
    entries.map(([key, value]) =>
      key === '$ref'
        ? [key, `#/definitions/${nameOf(String(value).replace(/#$/, ''))}`]
        : [key, plain(value)],
    ),
  );
  const isAnything = Object.keys(copy).join() === 'description' && typeof copy.description === 'string';
  return isAnything ? { ...copy, tsType: 'unknown' } : copy;
}

/** Without the interface of the whole and what each comment says of it. */
function withoutMention(text: string): string {
  return text
    .replace(/^export interface Wire \{\s*\}\n/, '')
    .replaceAll(
      /( \* \n)? \* This interface was referenced by `Wire`'s JSON-Schema\n \* via the `definition` "\w+"\.\n/g,
      '',
    )
    .replaceAll(/^\/\*\*\n \*\/\n/gm, '');
}

function format(text: string): string {
  const command = `biome format --stdin-file-path=${WIRE_FILE}`;
  // A shell, because on Windows what npm links into .bin are scripts.
  const { status, stdout, stderr } = spawnSync(command, { shell: true, encoding: 'utf8', input: text });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

if (import.meta.main) writeFileSync(WIRE_FILE, await clientTypes());
