/** `npm run check`: every check of the house, one after the other, all of them whatever the others say. */
import { spawnSync } from 'node:child_process';

interface Check {
  name: string;
  command: string;
  /** Finds in the output how many files or modules were looked at: a checker that saw nothing has proved nothing. */
  seen: RegExp;
  /** Lines that only say what was looked at. */
  unsaid?: RegExp;
}

export const CHECKS: Check[] = [
  {
    name: 'format and lint',
    command: 'biome check . --error-on-warnings --max-diagnostics=200',
    seen: /Checked (\d+) files?/,
  },
  {
    name: 'types',
    command: 'tsc -p . --listFiles',
    seen: /^(?!.*node_modules).*\/src\/.*\.ts$/gm,
    unsaid: /^[^(]*\.(m?ts|json)$/,
  },
  {
    name: 'boundaries',
    command: 'depcruise src client/src --config .dependency-cruiser.cjs --output-type err-long',
    seen: /(\d+) modules/,
  },
  {
    name: 'dead code',
    command: 'knip --no-progress --reporter symbols --reporter ./scripts/check-dead-code-count.mjs',
    seen: /Looked at (\d+) files/,
  },
  { name: 'tidy', command: 'node scripts/check-tidy.ts', seen: /Looked at (\d+) files/ },
  { name: 'glossary', command: 'node scripts/check-glossary.ts', seen: /Looked at (\d+) names/ },
  { name: 'OpenAPI', command: 'node scripts/check-openapi.ts', seen: /Looked at (\d+) operations/ },
];

/** How much a checker looked at: the number it names, or the number of lines that the pattern matches. */
export function countSeen(output: string, seen: RegExp): number {
  if (seen.global) return output.match(seen)?.length ?? 0;
  return Number(seen.exec(output)?.[1] ?? 0);
}

/** Runs a check and shows how it went; false when it found something or looked at nothing. */
export function run({ name, command, seen, unsaid }: Check): boolean {
  const started = performance.now();
  // A shell, because on Windows what npm links into .bin are scripts.
  const { status, stdout, stderr } = spawnSync(command, { shell: true, encoding: 'utf8', maxBuffer: 1e9 });
  const output = `${stdout}${stderr}`;
  const count = countSeen(output, seen);
  const passed = status === 0 && count > 0;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name}: looked at ${count}, ${seconds} s`);
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !unsaid?.test(line));
  for (const line of lines.filter((line) => !passed || line.startsWith('warning: ')))
    console.log(`        ${line}`);
  if (status === 0 && count === 0) console.log('        It looked at nothing, so it proved nothing.');
  return passed;
}

if (import.meta.main) {
  const failed = CHECKS.filter((check) => !run(check)).map(({ name }) => name);
  console.log(failed.length === 0 ? `All ${CHECKS.length} checks passed.` : `Failed: ${failed.join(', ')}.`);
  if (failed.length > 0) process.exitCode = 1;
}
