import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createClient, type Job } from '../../client/src/index.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { killAll, type Ran, type RunOptions, run, start } from './holdfast.ts';

let database: TestDatabase;
let server: ServerProcess;
let folder: string;

const holdfast = (args: string[], options?: RunOptions) => run(server.url, args, options);
const client = () => createClient({ server: server.url });

const QUICK = { name: 'quick', labels: { team: 'data' }, uses: 'value', with: { answer: 42 } };
const FAILING = { name: 'failing', uses: 'shell', with: { run: 'echo so far; exit 3' } };
const LONG = { name: 'long', uses: 'wait', with: { for: '1h' } };

/** Writes a file of the test's own and gives its path. */
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const json = ({ stdout }: Ran) => JSON.parse(stdout);
const jsonLines = ({ stdout }: Ran) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

beforeAll(async () => {
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url });
  folder = newDataDir();
});

afterEach(killAll);
afterAll(async () => {
  await stopEverything();
  await database?.close();
});

describe('holdfast submit', () => {
  it('takes JSON, YAML and TOML, by name, by --format and as it looks, and prints the id alone', async () => {
    const yaml = 'name: quick\nuses: value\nwith: {answer: 42}\n';
    const toml = 'name = "quick"\nuses = "value"\nwith = {answer = 42}\n';
    const all = await Promise.all([
      holdfast(['submit', file('job.json', QUICK)]),
      holdfast(['submit', file('job.yml', yaml)]),
      holdfast(['submit', file('job.toml', toml)]),
      holdfast(['submit', '-'], { input: toml }),
      holdfast(['submit', file('job.txt', toml), '--format', 'toml']),
    ]);
    for (const { code, stdout, stderr } of all) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(await client().get(stdout.trim())).toMatchObject({ name: 'quick' });
    }
    const key = ['--idempotency-key', 'once'];
    const [one, two] = await Promise.all(
      [1, 2].map(() => holdfast(['submit', file('k.json', QUICK), ...key])),
    );
    expect(one?.stdout).toBe(two?.stdout);
  });

  it('waits when told to, prints how the job ended, and says so by its exit code', async () => {
    const [quick, asJson, failing, late] = await Promise.all([
      holdfast(['submit', file('quick.json', QUICK), '--wait']),
      holdfast(['submit', file('quick.json', QUICK), '--wait', '--json']),
      holdfast(['submit', file('failing.json', FAILING), '--wait']),
      holdfast(['submit', file('long.json', LONG), '--wait', '--timeout', '500ms']),
    ]);
    expect(quick).toMatchObject({ code: 0, stderr: '' });
    expect(quick.stdout).toMatch(
      /^quick {2}\S+\n {2}status {5}succeeded\n[\s\S]*labels {5}team:data\n[\s\S]*"answer":42/,
    );
    expect(json(asJson)).toMatchObject({ name: 'quick', status: 'succeeded', progress: 1 });
    expect(failing).toMatchObject({ code: 1, stderr: '' });
    expect(failing.stdout).toContain('main: the script exited with 3 (exit_code)');
    expect(late).toMatchObject({ code: 124, stdout: '' });
    expect(late.stderr).toMatch(/is not over after 500ms.*holdfast watch/);
  });

  it('shows what is wrong with a job as file and line, for programs as the problem document', async () => {
    const path = file(
      'wrong.yaml',
      'name: wrong\nsteps:\n  - name: a\n    uses: value\n    depends_on: [b]\n',
    );
    const [shown, asJson, warned] = await Promise.all([
      holdfast(['submit', path]),
      holdfast(['validate', path, '--json']),
      holdfast(['submit', file('far.yaml', 'name: far\n\nuses: far-away\n')]),
    ]);
    expect(shown).toMatchObject({ code: 1, stdout: '' });
    expect(shown.stderr).toContain(`${path}:5  \`depends_on\` is not a field; did you mean \`needs\`?`);
    expect(asJson).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(asJson.stderr)).toMatchObject({ code: 'invalid_definition', errors: [{ line: 5 }] });
    expect(warned.code).toBe(0);
    expect(warned.stderr).toMatch(/^warning:\n.*far\.yaml:3 .*`far-away`/);
  });
});

describe('holdfast watch', () => {
  const STEPS = {
    name: 'on its way',
    steps: [
      { name: 'first', uses: 'shell', with: { run: 'sleep 0.4' } },
      { name: 'second', needs: ['first'], uses: 'shell', with: { run: 'sleep 0.4; exit 1' } },
      { name: 'third', needs: ['second'], uses: 'value', with: 1 },
    ],
  };

  it('writes a plain line for each change, and a document for each with --json, where there is no terminal', async () => {
    const path = file('steps.json', STEPS);
    const [plain, asJson] = await Promise.all([
      holdfast(['submit', path, '--watch'], { env: { TERM: 'xterm-256color' } }),
      holdfast(['submit', path, '--watch', '--json']),
    ]);
    expect(plain).toMatchObject({ code: 1, stderr: '' });
    const lines = plain.stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\d\d:\d\d:\d\d {2}/, ''));
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^job on its way {2}running {2}0 % {2}0 of 3 steps over$/),
        'step first  succeeded',
        'step second  failed  the script exited with 1 (exit_code)',
        'step third  skipped  need_failed',
      ]),
    );
    expect(lines.at(-1)).toMatch(
      /^job on its way {2}failed {2}100 % {2}3 of 3 steps over, 1 failed {2}took /,
    );
    expect(plain.stdout).not.toContain('\u001b');
    expect(asJson.code).toBe(1);
    const jobs = jsonLines(asJson);
    expect(jobs.length).toBeGreaterThan(1);
    expect(jobs.map(({ version }) => version)).toEqual(
      jobs.map(({ version }) => version).sort((a, b) => a - b),
    );
    expect(jobs.at(-1)).toMatchObject({ name: 'on its way', status: 'failed' });
  });

  it('draws the job in place on a terminal, with the steps that run by name', async () => {
    const path = file('steps.json', STEPS);
    // With a size, which the terminal that `script` makes does not have by itself.
    const bash = `script -qfc 'stty rows 30 cols 90; "$HOLDFAST" submit ${path} --watch; echo "exit $?"' /dev/null`;
    const { stdout } = await run(server.url, [], { bash, env: { TERM: 'xterm-256color' } });
    expect(stdout).toMatch(/░+.* 0 %.*running/);
    expect(stdout).toMatch(/█+.*33 %.* to go/);
    expect(stdout).toMatch(/ {2}first {2}\S*running/);
    expect(stdout).toContain('3 steps: ');
    // What was drawn makes place for how it ended; the cursor is back.
    expect(stdout).toMatch(/\n {2}\S*failed.* second: the script exited with 1/);
    expect(stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001b[?25l'));
    expect(stdout.trim()).toMatch(/exit 1$/);
  });

  it('leaves the job alone on Ctrl-C, and says how it ends by its exit code', async () => {
    const { id } = await client().submit(LONG);
    const watching = start(server.url, ['watch', id]);
    await watching.says('step main  waiting');
    const interrupted = await watching.end('SIGINT');
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toContain(
      `it goes on by itself, and \`holdfast watch ${id}\` comes back to it`,
    );
    expect(await client().get(id)).toMatchObject({ status: 'running' });

    expect((await holdfast(['pause', id])).code).toBe(0);
    const late = await holdfast(['watch', id, '--timeout', '1s']);
    expect(late).toMatchObject({
      code: 124,
      stderr: expect.stringContaining('it is paused, and `holdfast resume'),
    });
    expect((await holdfast(['resume', id])).code).toBe(0);

    const again = start(server.url, ['watch', id]);
    await again.says('step main  waiting');
    expect((await holdfast(['cancel', id, '--reason', 'enough'])).stdout).toBe(`${id}  cancelled  long\n`);
    expect(await again.end()).toMatchObject({ code: 4, stdout: expect.stringContaining('enough') });
  });
});

describe('holdfast log', () => {
  it('follows a step, and a whole job, until they are over', async () => {
    const talk = (word: string) => `for i in 1 2 3; do echo ${word} $i; sleep 0.2; done`;
    const steps = ['one', 'two'].map((name) => ({ name, uses: 'shell', with: { run: talk(name) } }));
    const { id } = await client().submit({ name: 'talk', steps });
    const [step, job, lines] = await Promise.all([
      holdfast(['log', id, 'one', '--follow']),
      holdfast(['log', id, '-f']),
      holdfast(['log', id, 'two', '--follow', '--json']),
    ]);
    expect(step).toEqual({ code: 0, stdout: 'one 1\none 2\none 3\n', stderr: '' });
    expect(job.stdout.trim().split('\n').sort()).toEqual(
      ['one', 'two'].flatMap((name) => [1, 2, 3].map((i) => `${name} | ${name} ${i}`)),
    );
    expect(
      jsonLines(lines)
        .map(({ text }) => text)
        .join(''),
    ).toBe('two 1\ntwo 2\ntwo 3\n');
    const [whole, document, none] = await Promise.all([
      holdfast(['log', id]),
      holdfast(['log', id, 'one', '--attempt', '1', '--json']),
      holdfast(['log', id, 'one', '--attempt', '2']),
    ]);
    expect(whole.stdout).toBe(await client().jobLog(id));
    expect(json(document)).toMatchObject({
      job_id: id,
      step: 'one',
      attempt: 1,
      text: step.stdout,
      ended: true,
    });
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('has had 1 attempt') });
  });
});

describe('the other commands', () => {
  it('list, show and change jobs, and print the same as JSON', async () => {
    const one = await client().submit({ ...LONG, name: 'one of many', labels: { of: 'many' } });
    const { id } = await client().submit({ ...FAILING, name: '\u001b[31mred', labels: { of: 'many' } });
    await client().wait(id);
    const mine = ['jobs', '--label', 'of:many'];
    const [list, asJson, failed, job, steps, step] = await Promise.all([
      holdfast(mine),
      holdfast([...mine, '--json', '--limit', '1']),
      holdfast([...mine, '--status', 'failed,cancelled', '--json']),
      holdfast(['job', id]),
      holdfast(['steps', one.id]),
      holdfast(['steps', id, 'main', '--json']),
    ]);
    const [head, first, second] = list.stdout.split('\n');
    expect(head).toMatch(/^ID {36}STATUS {4,}DONE {2}TOOK {2,}SUBMITTED {2}NAME$/);
    // What others named is no command to the terminal.
    expect(first).toMatch(new RegExp(`^${id} {2}failed {3}100 % {2}.* red$`));
    expect(second).toMatch(new RegExp(`^${one.id} {2}running {4}0 % .* one of many$`));
    expect(json(asJson).data).toMatchObject([{ id }]);
    expect(json(failed).data).toMatchObject([{ id, status: 'failed' }]);
    expect(job.stdout).toContain('1 step: 1 failed');
    expect(steps.stdout).toMatch(/main {2}waiting {2}wait {2}1 .*its timer runs until/);
    expect(json(step)).toMatchObject({ name: 'main', attempts: [{ attempt: 1, outcome: 'failed' }] });

    expect((await holdfast(['pause', one.id])).stdout).toBe(`${one.id}  paused  one of many\n`);
    const [resumed, retried, refused] = await Promise.all([
      holdfast(['resume', one.id, '--json']),
      holdfast(['retry', id]),
      holdfast(['retry', one.id]),
    ]);
    expect(json(resumed)).toMatchObject({ id: one.id, status: 'running' });
    expect(retried.stdout).toMatch(/queued|running/);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^holdfast: the job is (paused|running); only a failed or cancelled job/);
  });

  it('check a job, count what is old enough to go, list workers', async () => {
    const [checked, old, workers] = await Promise.all([
      holdfast(['validate', file('quick.json', QUICK)]),
      holdfast(['cleanup', '--days', '1', '--dry-run', '--json']),
      holdfast(['workers']),
    ]);
    expect(checked.stdout).toBe('quick: 1 step in 1 level\n  1  main\n');
    expect(json(old)).toMatchObject({ deleted_count: 0, retention_days: 1, more: false });
    expect(workers.stdout).toMatch(/server {2}live {4}0\/\d+ .* every {3}\S*shell/);
  });

  it('say what is wrong with what was typed, with exit code 2, before anything is asked', async () => {
    const wrong: [string[], RegExp][] = [
      [['submt', 'x'], /unknown command 'submt'\n\(Did you mean submit\?\)/],
      [['submit'], /missing required argument 'file'/],
      [['submit', join(folder, 'none.yaml')], /there is no file .*none\.yaml/],
      [['submit', file('empty.yaml', ' \n')], /empty\.yaml is empty/],
      [['jobs', '--status', 'done'], /"done" is none of scheduled, queued/],
      [['watch', 'id', '--timeout', 'soon'], /"soon" is not a duration/],
      [['jobs', '--server', 'nowhere'], /--server: nowhere is no URL; write it like http/],
      [['cleanup'], /'--days <number>' not specified/],
      [['worker', join(folder, 'none')], /there is no folder/],
    ];
    const all = await Promise.all(wrong.map(([args]) => holdfast(args)));
    all.forEach(({ code, stdout, stderr }, index) => {
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(wrong[index]?.[1] as RegExp);
      expect(stderr).not.toMatch(/\n +at /);
    });
    const typed = [['submt', 'x', '--json'], ['--json', 'watch', 'id', '--timeout', 'soon'], ['--json']];
    for (const { code, stdout, stderr } of await Promise.all(typed.map((args) => holdfast(args)))) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(JSON.parse(stderr)).toEqual({
        code: 'usage',
        detail: expect.stringMatching(/^unknown command|"soon" is not|^no command/),
        errors: [],
      });
    }
    const [help, served] = await Promise.all([
      holdfast(['submit', '--help']),
      holdfast(['serve'], { env: { PORT: 'nope' } }),
    ]);
    expect(served).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^holdfast cannot start: .*PORT/),
    });
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/Examples:\n {2}\$ holdfast submit job\.yaml/);
  });

  it('say with exit code 3 when no server answers, or something else does', async () => {
    const other = createServer((_, answer) => answer.end('<html>hello</html>')).listen(0);
    const { port } = other.address() as AddressInfo;
    const gone = createServer().listen(0);
    const { port: nobody } = gone.address() as AddressInfo;
    await new Promise((closed) => gone.close(closed));
    const several = `127.0.0.1:${nobody}, ${server.url}`;
    for (const ran of [
      await holdfast(['jobs', '--server', several, '--json']),
      await holdfast(['jobs', '--json'], { env: { HOLDFAST_SERVER: several } }),
    ])
      expect(ran).toMatchObject({ code: 0, stderr: '' });
    const [silent, strange] = await Promise.all([
      holdfast(['jobs', '--server', `http://127.0.0.1:${nobody}`, '--json']),
      holdfast(['jobs', '--server', `127.0.0.1:${port}`]),
    ]);
    other.close();
    expect(silent).toMatchObject({ code: 3, stdout: '' });
    expect(JSON.parse(silent.stderr)).toMatchObject({ code: 'unreachable' });
    expect(strange).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining('no Holdfast server'),
    });
  });

  it('end quietly when nobody reads on', async () => {
    const bash = 'set -o pipefail; "$HOLDFAST" jobs --help | head -1; "$HOLDFAST" jobs --json | true';
    expect(await run(server.url, [], { bash })).toEqual({
      code: 0,
      stdout: 'Usage: holdfast jobs [options]\n',
      stderr: '',
    });
  });
});

describe('holdfast worker', () => {
  let actions: string;

  beforeAll(() => {
    actions = newDataDir();
  });

  function write(file: string, text: string): void {
    // At once, as a careful program writes it; that half a file does no harm is shown below.
    writeFileSync(join(actions, `.${file}`), text);
    renameSync(join(actions, `.${file}`), join(actions, file));
  }

  /** Runs one step of an action and gives the job and what the step gave. */
  async function act(uses: string, input: unknown = null): Promise<{ job: Job; output: unknown }> {
    const { id } = await client().submit({ name: uses, uses, with: input });
    const job = await client().wait(id, { timeoutMs: 20_000 });
    return { job, output: (await client().step(id, 'main')).output };
  }

  /** The actions that live remote workers offer. */
  async function offered(): Promise<string[]> {
    const { data } = await client().workers({ status: ['live'] });
    return data
      .filter(({ kind }) => kind === 'remote')
      .flatMap(({ uses }) => uses)
      .sort();
  }

  it('serves what is in a folder, one action a file: dropped in, changed and removed while it runs', async () => {
    write(
      'greet.ts',
      'export default ({ input }: { input: { to: string } }): string => `Hello ${input.to}`;\n',
    );
    write('_notes.js', 'throw new Error("not an action");\n');
    const worker = start(server.url, [
      'worker',
      actions,
      '--concurrency',
      '2',
      '--name',
      'folder',
      '--verbose',
    ]);
    await worker.says('registered as folder');
    expect((await act('greet', { to: 'you' })).output).toBe('Hello you');

    // Dropped in: an action within a second or two; what does not load is told, and the others go on.
    const dropped = performance.now();
    write('count.cjs', 'module.exports = ({ input }) => input.length;\n');
    write('broken.js', 'export default (\n');
    write(
      'resize.mjs',
      'export const uses = "media/resize";\nexport const concurrency = 1;\nexport default () => 1;\n',
    );
    expect((await act('count', [1, 2])).output).toBe(2);
    expect(performance.now() - dropped).toBeLessThan(5000);
    await until(async () => (await offered()).join() === 'count,greet,media/resize');
    expect(worker.stdout()).toMatch(/broken\.js: line \d: /);
    expect(worker.stdout()).not.toContain('_notes');
    const { data } = await client().workers({ status: ['live'] });
    expect(data.find(({ uses }) => uses.includes('media/resize'))).toMatchObject({
      name: 'folder media/resize',
      slots: 1,
    });
    expect(data.find(({ uses }) => uses.includes('greet'))).toMatchObject({ name: 'folder', slots: 2 });

    // Changed: what runs ends with the code it began with, what comes next gets the new one; also in CommonJS.
    write(
      'slow.js',
      `export default async ({ signal, log }) => {
      log('waiting');
      while (!globalThis.mayEnd && !signal.aborted) await new Promise((go) => setTimeout(go, 20));
      return signal.aborted ? 'aborted' : 'old';
    };\n`,
    );
    const { id } = await client().submit({ name: 'slow', uses: 'slow' });
    await until(async () => (await client().step(id, 'main')).status === 'running');
    // Another worker takes over when the names change, and leaves the former what it runs.
    write('extra.js', 'export default () => 0;\n');
    await until(async () => (await offered()).includes('extra'));
    write('slow.js', 'export default () => { globalThis.mayEnd = true; return "new"; };\n');
    write('count.cjs', 'module.exports = () => "counted";\n');
    await until(async () => (await act('count', [])).output === 'counted');
    expect((await act('slow')).output).toBe('new');
    await client().wait(id);
    expect(await client().step(id, 'main')).toMatchObject({ output: 'old', attempt: 1 });

    // Changed into what does not load: the former code stays.
    writeFileSync(join(actions, 'count.cjs'), 'module.exports = () => {\n');
    await worker.says(/count\.cjs: .*; its former code stays in use/);
    expect((await act('count', [])).output).toBe('counted');

    // Removed: no longer offered, and steps say that nobody does.
    rmSync(join(actions, 'greet.ts'));
    await until(async () => (await offered()).join() === 'count,extra,media/resize,slow');
    const waiting = await client().submit({ name: 'late', uses: 'greet' });
    expect((await client().step(waiting.id, 'main')).blocked_by).toMatchObject([{ code: 'no_worker' }]);

    // A mistake of an action fails its step and nothing else, also one that nobody catches.
    write(
      'count.cjs',
      'module.exports = () => { Promise.reject(new Error("forgotten")); throw Object.assign(new Error("no"), { name: "StepError", code: "no_count", retryable: false }); };\n',
    );
    await until(async () => (await act('count')).job.status === 'failed');
    const [failed] = (await client().list({ name: 'count', limit: 1 })).data;
    expect((await client().step(failed?.id ?? '', 'main')).error).toMatchObject({
      code: 'no_count',
      message: 'no',
    });
    await worker.says('an action left this unhandled: Error: forgotten');
    expect((await act('media/resize')).output).toBe(1);

    const ended = await worker.end('SIGTERM');
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(await offered()).toEqual([]);
  });
});
