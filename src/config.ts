import { availableParallelism } from 'node:os';
import { formatDuration, parseDuration } from './domain/duration.ts';
import { readHostName } from './domain/host-name.ts';
import type { AllowRule } from './outbound/address-filter.ts';
import { parseAllowList } from './outbound/allow-list.ts';

/** Every setting of a server, checked. Durations are milliseconds. */
export interface Config {
  host: string;
  port: number;
  databaseUrl: string | null;
  dataDir: string;
  logLevel: string;
  concurrency: number;
  claimTtlMs: number;
  shutdownGraceMs: number;
  actions: string[];
  allowedHosts: string[];
  shellEnv: string[];
  /** Addresses beyond public ones that requests of steps may reach. */
  outboundAllow: AllowRule[];
  /** Null: every queue. */
  queues: string[] | null;
  /** Null: jobs are kept until somebody deletes them. */
  retentionDays: number | null;
}

type Parsed<Value> = { ok: true; value: Value } | { ok: false; message: string };
type Environment = Readonly<Record<string, string | undefined>>;

interface Setting<Value> {
  /** As `.env.example` and the documents show it. */
  default: string;
  description: string;
  parse(text: string): Parsed<Value>;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** The settings by the name of their environment variable. An empty variable counts as absent. */
const SETTINGS = {
  HOST: setting('127.0.0.1', 'The address to listen on. Beyond loopback see ALLOW_UNAUTHENTICATED.', text),
  PORT: setting('3000', 'The port to listen on; 0 takes a free one.', integer(0, 65_535)),
  DATABASE_URL: setting('', 'A PostgreSQL 15 or newer. Without it one is started in DATA_DIR.', postgresUrl),
  DATA_DIR: setting('./data', 'Where the PostgreSQL that comes with Holdfast keeps its data.', text),
  LOG_LEVEL: setting('info', `One of ${LOG_LEVELS.join(', ')}.`, oneOf(LOG_LEVELS)),
  CONCURRENCY: setting(
    '',
    'How many steps run at once in this server; 4 a processor by default.',
    integer(1, 10_000),
  ),
  CLAIM_TTL: setting(
    '30s',
    'How long a step stays with a server that has fallen silent.',
    duration(1_000, 3_600_000),
  ),
  SHUTDOWN_GRACE: setting(
    '10s',
    'How long running steps may go on when the server stops.',
    duration(0, 3_600_000),
  ),
  ACTIONS: setting(
    '',
    'The built-in actions that are on, with commas. All by default; shell only on loopback.',
    list,
  ),
  ALLOWED_HOSTS: setting(
    '',
    'Names, besides those of loopback, by which clients may call this server.',
    hosts,
  ),
  SHELL_ENV: setting(
    '',
    'Environment variables that shell steps may see, besides PATH, HOME and LANG.',
    list,
  ),
  OUTBOUND_ALLOW: setting(
    '',
    'What http steps may reach besides public addresses: addresses, CIDR blocks or localhost, each with or without :port.',
    parseAllowList,
  ),
  QUEUES: setting('', 'The queues this server serves, with commas. Every queue by default.', list),
  RETENTION_DAYS: setting(
    '',
    'Delete jobs this many days after they ended. Kept by default.',
    integer(1, 3_650),
  ),
  ALLOW_UNAUTHENTICATED: setting(
    'false',
    'true lets the server listen beyond loopback, where anyone who reaches it may use it.',
    flag,
  ),
} satisfies Record<string, Setting<unknown>>;

/**
 * Reads every setting from the environment, or says in one message all that is wrong. `builtIn` names the actions
 * that there are.
 */
export function readConfig(
  environment: Environment,
  builtIn: readonly string[],
): { ok: true; config: Config } | { ok: false; message: string } {
  const wrong: string[] = [];
  const read = <Value>(name: string, from: Setting<Value>): Value | undefined => {
    const given = environment[name]?.trim();
    const source = given || from.default;
    if (source === '') return undefined;
    const parsed = from.parse(source);
    if (parsed.ok) return parsed.value;
    // Whatever may be a password stays out of logs, also when the rest of the URL is wrong.
    wrong.push(`${name}=${source.replace(/\/\/.*@/, '//…@')}: ${parsed.message}`);
    return undefined;
  };
  const host = read('HOST', SETTINGS.HOST) ?? '127.0.0.1';
  const isLoopback = LOOPBACK.test(host);
  const actions = read('ACTIONS', SETTINGS.ACTIONS);
  const config: Config = {
    host,
    port: read('PORT', SETTINGS.PORT) ?? 0,
    databaseUrl: read('DATABASE_URL', SETTINGS.DATABASE_URL) ?? null,
    dataDir: read('DATA_DIR', SETTINGS.DATA_DIR) ?? '',
    logLevel: read('LOG_LEVEL', SETTINGS.LOG_LEVEL) ?? 'info',
    concurrency: read('CONCURRENCY', SETTINGS.CONCURRENCY) ?? 4 * availableParallelism(),
    claimTtlMs: read('CLAIM_TTL', SETTINGS.CLAIM_TTL) ?? 0,
    shutdownGraceMs: read('SHUTDOWN_GRACE', SETTINGS.SHUTDOWN_GRACE) ?? 0,
    actions: actions ?? builtIn.filter((name) => name !== 'shell' || isLoopback),
    allowedHosts: read('ALLOWED_HOSTS', SETTINGS.ALLOWED_HOSTS) ?? [],
    shellEnv: read('SHELL_ENV', SETTINGS.SHELL_ENV) ?? [],
    outboundAllow: read('OUTBOUND_ALLOW', SETTINGS.OUTBOUND_ALLOW) ?? [],
    queues: read('QUEUES', SETTINGS.QUEUES) ?? null,
    retentionDays: read('RETENTION_DAYS', SETTINGS.RETENTION_DAYS) ?? null,
  };
  for (const name of config.actions) {
    if (!builtIn.includes(name))
      wrong.push(`ACTIONS names ${name}; the built-in actions are ${builtIn.join(', ')}`);
  }
  if (!(read('ALLOW_UNAUTHENTICATED', SETTINGS.ALLOW_UNAUTHENTICATED) ?? false) && !isLoopback) {
    wrong.push(
      `HOST=${host} is beyond loopback, and there are no API keys yet: whoever reaches it could run anything. ` +
        'Set ALLOW_UNAUTHENTICATED=true if that is what you want',
    );
  }
  return wrong.length === 0 ? { ok: true, config } : { ok: false, message: wrong.join('; ') };
}

/** Every setting with its default and what it does, for `.env.example` and the documents. */
export function describeSettings(): { name: string; default: string; description: string }[] {
  return Object.entries(SETTINGS).map(([name, { default: standard, description }]) => ({
    name,
    default: standard,
    description,
  }));
}

function setting<Value>(
  standard: string,
  description: string,
  parse: (text: string) => Parsed<Value>,
): Setting<Value> {
  return { default: standard, description, parse };
}

function text(given: string): Parsed<string> {
  return { ok: true, value: given };
}

function list(given: string): Parsed<string[]> {
  const names = given.split(',').map((name) => name.trim());
  return { ok: true, value: names.filter((name) => name !== '') };
}

function hosts(given: string): Parsed<string[]> {
  const names = list(given);
  for (const name of names.ok ? names.value : []) {
    if (readHostName(name) !== null) continue;
    if (name.includes('*')) return { ok: false, message: `${name} stands for many; write each name` };
    const meant = URL.canParse(name) ? new URL(name).host : '';
    const instead = meant || 'holdfast.example, holdfast.example:8080 or [2001:db8::1]';
    return { ok: false, message: `${name} is no host; write ${instead}` };
  }
  return names;
}

function flag(given: string): Parsed<boolean> {
  if (given === 'true' || given === 'false') return { ok: true, value: given === 'true' };
  return { ok: false, message: 'write true or false' };
}

function integer(min: number, max: number): (given: string) => Parsed<number> {
  return (given) => {
    const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
    if (value >= min && value <= max) return { ok: true, value };
    return { ok: false, message: `write a whole number from ${min} to ${max}` };
  };
}

function duration(min: number, max: number): (given: string) => Parsed<number> {
  return (given) => {
    const parsed = parseDuration(given, { min, max });
    if (parsed.ok) return { ok: true, value: parsed.ms };
    return {
      ok: false,
      message: `write a duration from ${formatDuration(min)} to ${formatDuration(max)}, such as 30s`,
    };
  };
}

function oneOf(values: readonly string[]): (given: string) => Parsed<string> {
  return (given) =>
    values.includes(given)
      ? { ok: true, value: given }
      : { ok: false, message: `write one of ${values.join(', ')}` };
}

function postgresUrl(given: string): Parsed<string> {
  // To Postgres a URL without a host, as in postgres://user:password@/database?host=/run/postgresql, leads to a
  // socket; to Node it is no URL.
  const ok = /^postgres(ql)?:\/\//.test(given) && URL.canParse(given.replace('@/', '@localhost/'));
  if (ok) return { ok: true, value: given };
  return { ok: false, message: 'write postgres://user:password@host:5432/database' };
}
