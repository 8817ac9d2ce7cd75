import { spawn } from 'node:child_process';
import { newDataDir } from './embedded.ts';
import { ROOT } from './server-process.ts';

/**
 * The commands of a page of documentation, run as they are printed. How to write them:
 *
 * - A block fenced with ```sh holds commands. All blocks of a page run in order in one bash, in the clone's root, so
 *   `JOB=$(curl …)` in one block is there in the next. `localhost:3000` stands for the test's server, and files named
 *   `/tmp/holdfast-…` lie in a folder of the test's own.
 * - A block with a line that begins with `npm`, `git`, `cd` or `docker` (settings such as `PORT=80` may stand before
 *   it) is for the reader's terminal and is not run. Fence with ```console what else must not run.
 * - A block fenced with ```json, ```text or ```http right below it (prose in between is fine, another ```sh is not)
 *   is what the commands print. JSON may be laid out for reading; several values stand below each other.
 * - Printed and real output must have the same shape. JSON: the same keys, types and lengths of lists, and equal
 *   text, but for ids, digests, instants and numbers; a field whose name ends in `_at` or `_ms` may be null or not, and
 *   a `status` printed as `queued` may be `running` by now. `"…"` stands for any value, as the last entry of a list for
 *   any more, and `"…": "…"` in an object for any other keys.
 *   Text: the same lines, with the same exceptions. A line `…` stands for any lines.
 */
export interface PageBlock {
  /** Where the block begins in the page, from 1. */
  line: number;
  commands: string;
  isRun: boolean;
  /** What is printed below it. */
  output: { language: string; text: string } | null;
}

export interface RunBlock extends PageBlock {
  exitCode: number;
  stdout: string;
  /** What differs between the printed output and the real one; null when nothing does, or nothing is printed. */
  difference: string | null;
}

const NOT_RUN = /^(\w+=\S* )*(npm|git|cd|docker)\b/m;
const ANY = '…';
const OUTPUT_LANGUAGES = ['json', 'text', 'http'];

/** The blocks of commands in a page of Markdown. */
export function readPage(page: string): PageBlock[] {
  const blocks: PageBlock[] = [];
  const fences = page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm);
  for (const { 1: language = '', 2: text = '', index } of fences) {
    const line = page.slice(0, index).split('\n').length;
    const last = blocks.at(-1);
    if (language === 'sh') {
      blocks.push({ line, commands: text, isRun: !NOT_RUN.test(text), output: null });
    } else if (OUTPUT_LANGUAGES.includes(language) && last?.output === null) last.output = { language, text };
  }
  return blocks;
}

/** Runs a page's commands against a server, and compares what they print. */
export async function runPage(page: string, server: { port: number }): Promise<RunBlock[]> {
  const bash = startBash();
  const folder = newDataDir();
  try {
    const ran: RunBlock[] = [];
    for (const block of readPage(page).filter(({ isRun }) => isRun)) {
      const commands = block.commands
        .replaceAll('localhost:3000', `localhost:${server.port}`)
        .replaceAll('/tmp/holdfast-', `${folder}/holdfast-`);
      const { exitCode, stdout } = await bash.run(commands);
      const difference = block.output === null ? null : compareOutput(block.output, stdout);
      ran.push({ ...block, exitCode, stdout, difference });
    }
    return ran;
  } finally {
    bash.end();
  }
}

function startBash() {
  const { PATH = '', HOME = '' } = process.env;
  const bash = spawn('bash', ['--noprofile', '--norc'], { cwd: ROOT, env: { PATH, HOME }, stdio: 'pipe' });
  const MARK = 'holdfast-block-ended';
  const ENDED = new RegExp(`${MARK} (\\d+)\n`);
  let printed = '';
  let look = () => {};
  bash.stdout.on('data', (chunk: Buffer) => {
    printed += chunk;
    look();
  });
  bash.stderr.resume();
  bash.on('exit', () => look());
  return {
    run: (commands: string) =>
      new Promise<{ exitCode: number; stdout: string }>((resolve, reject) => {
        look = () => {
          const ended = ENDED.exec(printed);
          if (ended === null && bash.exitCode !== null)
            reject(new Error('bash ended in the middle of a page'));
          if (ended === null) return;
          const stdout = printed.slice(0, ended.index);
          printed = '';
          resolve({ exitCode: Number(ended[1]), stdout });
        };
        bash.stdin.write(`${commands}\necho "${MARK} $?"\n`);
      }),
    end: () => void bash.kill('SIGKILL'),
  };
}

/** What differs in shape between printed and real output, or null. */
export function compareOutput(
  { language, text }: { language: string; text: string },
  actual: string,
): string | null {
  if (language !== 'json') return compareLines(text, actual);
  try {
    return compareJson(readValues(text), readValues(actual), '');
  } catch {
    return `this is not JSON: ${actual.slice(0, 500)}`;
  }
}

/** One JSON value, or several below each other. */
function readValues(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text
      .trim()
      .split(/\n(?=[[{])/)
      .map((value) => JSON.parse(value));
  }
}

function compareJson(printed: unknown, actual: unknown, at: string, key = ''): string | null {
  if (printed === ANY || (/_(at|ms)$/.test(key) && (printed === null || actual === null))) return null;
  if (kind(printed) !== kind(actual))
    return `${at || 'the value'} is ${show(actual)}, printed is ${show(printed)}`;
  if (key === 'status' && printed === 'queued' && actual === 'running') return null;
  if (typeof printed === 'string' && steady(printed) !== steady(actual as string)) {
    return `${at} is ${show(actual)}, printed is ${show(printed)}`;
  }
  if (typeof printed === 'boolean' && printed !== actual) return `${at} is ${actual}, printed is ${printed}`;
  if (kind(printed) !== 'object' && kind(printed) !== 'array') return null;
  const [wanted, found] = [printed, actual] as [Record<string, unknown>, Record<string, unknown>];
  const shown = Object.keys(wanted).filter((name) => !(name === ANY || isRest(printed, name)));
  const rest = shown.length < Object.keys(wanted).length;
  const there = Object.keys(found).filter((name) => !rest || shown.includes(name));
  if (shown.sort().join() !== there.sort().join())
    return `${at || 'the value'} has the keys ${there.join(', ')}; printed are ${shown.join(', ')}`;
  for (const name of shown) {
    const difference = compareJson(wanted[name], found[name], `${at}/${name}`, name);
    if (difference !== null) return difference;
  }
  return null;
}

/** Whether an entry is the `"…"` at the end of a list. */
function isRest(printed: unknown, name: string): boolean {
  return Array.isArray(printed) && Number(name) === printed.length - 1 && printed.at(-1) === ANY;
}

function compareLines(printed: string, actual: string): string | null {
  const literally = (line: string) => line.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const lines = printed
    .trim()
    .split('\n')
    .map((line) => (line.trim() === ANY ? '[\\s\\S]*' : literally(steady(line))));
  const matches = new RegExp(`^${lines.join('\n')}$`).test(steady(actual.replaceAll('\r', '').trim()));
  return matches ? null : `it printed ${JSON.stringify(actual)}`;
}

function kind(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function show(value: unknown): string {
  return JSON.stringify(value).slice(0, 200);
}

/** The text without what differs from run to run. */
function steady(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<instant>')
    .replaceAll(/\b[0-9a-f]{64}\b/g, '<digest>')
    .replaceAll(/(?<![\w-])[\w-]{48}(?![\w-])/g, '<claim>')
    .replaceAll(/\d+/g, '<n>');
}
