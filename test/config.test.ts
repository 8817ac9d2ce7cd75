import { describe, expect, it } from 'vitest';
import { type Config, describeSettings, readConfig } from '../src/config.ts';

const BUILT_IN = ['value', 'shell', 'wait'];

function configOf(environment: Record<string, string>): Config {
  const read = readConfig(environment, BUILT_IN);
  if (!read.ok) throw new Error(read.message);
  return read.config;
}

function refusalOf(environment: Record<string, string>): string {
  const read = readConfig(environment, BUILT_IN);
  if (read.ok) throw new Error('it was taken');
  return read.message;
}

describe('the settings', () => {
  it('need none to be given', () => {
    expect(configOf({})).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      databaseUrl: null,
      dataDir: './data',
      logLevel: 'info',
      claimTtlMs: 30_000,
      shutdownGraceMs: 10_000,
      actions: BUILT_IN,
      allowedHosts: [],
      shellEnv: [],
      outboundAllow: [],
      queues: null,
      retentionDays: null,
    });
    expect(configOf({}).concurrency).toBeGreaterThanOrEqual(4);
  });

  it('take what is given', () => {
    const environment = {
      HOST: 'localhost',
      PORT: '0',
      DATABASE_URL: 'postgresql://u:p@db.example:5433/jobs',
      DATA_DIR: '/var/data',
      LOG_LEVEL: 'debug',
      CONCURRENCY: '7',
      CLAIM_TTL: '1m30s',
      SHUTDOWN_GRACE: '0',
      ACTIONS: 'value, wait',
      ALLOWED_HOSTS: 'jobs.example,jobs.example:8080',
      SHELL_ENV: 'TOKEN, USER',
      OUTBOUND_ALLOW: '10.0.0.0/8:8080',
      QUEUES: 'slow',
      RETENTION_DAYS: '30',
    };
    expect(configOf(environment)).toEqual({
      host: 'localhost',
      port: 0,
      databaseUrl: 'postgresql://u:p@db.example:5433/jobs',
      dataDir: '/var/data',
      logLevel: 'debug',
      concurrency: 7,
      claimTtlMs: 90_000,
      shutdownGraceMs: 0,
      actions: ['value', 'wait'],
      allowedHosts: ['jobs.example', 'jobs.example:8080'],
      shellEnv: ['TOKEN', 'USER'],
      outboundAllow: [expect.objectContaining({ bits: 8, port: 8080 })],
      queues: ['slow'],
      retentionDays: 30,
    });
  });

  it('count as absent when they are empty, as compose files write them', () => {
    expect(configOf({ DATABASE_URL: '', QUEUES: ' ', CONCURRENCY: '', PORT: '' })).toEqual(configOf({}));
  });

  it('may lead to a database by name, by socket, and by socket without a host', () => {
    const urls = [
      'postgres://u:p@localhost/jobs',
      'postgres:///jobs?host=/run/postgresql',
      'postgres://u:p@/jobs?host=/run/postgresql&port=5433',
      'postgres://u:p@%2Frun%2Fpostgresql/jobs',
    ];
    for (const url of urls) expect(configOf({ DATABASE_URL: url }).databaseUrl).toBe(url);
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '80x'],
    ['DATABASE_URL', 'mysql://localhost/jobs'],
    ['DATABASE_URL', 'localhost:5432'],
    ['LOG_LEVEL', 'loud'],
    ['CONCURRENCY', '0'],
    ['CONCURRENCY', '-1'],
    ['CLAIM_TTL', '10ms'],
    ['CLAIM_TTL', 'soon'],
    ['SHUTDOWN_GRACE', '2h'],
    ['ACTIONS', 'value,http2'],
    ['ALLOWED_HOSTS', '*'],
    ['ALLOWED_HOSTS', 'jobs.example, a b'],
    ['ALLOWED_HOSTS', '::1'],
    ['RETENTION_DAYS', '0'],
    ['OUTBOUND_ALLOW', 'api.example'],
    ['OUTBOUND_ALLOW', '10.0.0.0/8:0'],
    ['ALLOW_UNAUTHENTICATED', 'yes'],
  ])('are refused by name when wrong: %s=%s', (name, value) => {
    expect(refusalOf({ [name]: value })).toContain(name);
  });

  it('are refused all at once, in one line', () => {
    const message = refusalOf({ PORT: 'high', CLAIM_TTL: 'soon', LOG_LEVEL: 'loud', ACTIONS: 'sing' });
    for (const name of ['PORT', 'CLAIM_TTL', 'LOG_LEVEL', 'ACTIONS']) expect(message).toContain(name);
    expect(message).toContain('value, shell, wait');
    expect(message).not.toContain('\n');
  });

  it('say what to write instead of what is no host', () => {
    expect(refusalOf({ ALLOWED_HOSTS: '*.jobs.example' })).toContain(
      '*.jobs.example stands for many; write each name',
    );
    expect(refusalOf({ ALLOWED_HOSTS: 'https://jobs.example:8443/v1' })).toContain('write jobs.example:8443');
    expect(refusalOf({ ALLOWED_HOSTS: 'jobs.example/v1' })).toContain('write holdfast.example, ');
  });

  it('never repeat the password of a database', () => {
    expect(refusalOf({ DATABASE_URL: 'mysql://u:secret@localhost/jobs' })).not.toContain('secret');
    expect(refusalOf({ DATABASE_URL: 'postgres://u:sec ret@local host/jobs' })).not.toContain('ret@');
  });
});

describe('listening beyond loopback', () => {
  it('is refused until it is asked for in words', () => {
    for (const HOST of [
      '0.0.0.0',
      '0',
      '::',
      '10.1.2.3',
      'jobs.example',
      '127.0.0.1.example',
      'localhost.example',
    ]) {
      expect(refusalOf({ HOST })).toContain('ALLOW_UNAUTHENTICATED=true');
      expect(configOf({ HOST, ALLOW_UNAUTHENTICATED: 'true' }).host).toBe(HOST);
    }
  });

  it('switches shell off unless it is named', () => {
    const environment = { HOST: '0.0.0.0', ALLOW_UNAUTHENTICATED: 'true' };
    expect(configOf(environment).actions).toEqual(['value', 'wait']);
    expect(configOf({ ...environment, ACTIONS: 'shell,value' }).actions).toEqual(['shell', 'value']);
  });

  it('is not what the names of loopback do', () => {
    for (const HOST of ['127.0.0.1', '::1', 'localhost', '127.0.0.2']) {
      expect(configOf({ HOST }).actions).toContain('shell');
    }
  });
});

describe('the description of the settings', () => {
  it('has every setting with a default that is taken as it stands', () => {
    const settings = describeSettings();
    expect(settings.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['HOST', 'PORT', 'ALLOW_UNAUTHENTICATED']),
    );
    const asWritten = Object.fromEntries(settings.map((setting) => [setting.name, setting.default]));
    expect(configOf(asWritten)).toEqual(configOf({}));
    for (const { description } of settings) expect(description).toMatch(/\.$/);
  });
});
