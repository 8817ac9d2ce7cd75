import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeSettings } from '../../src/config.ts';

const page = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

it('are in the table of the README as the server has them', () => {
  const rows = describeSettings().map(
    ({ name, default: standard, description }) =>
      `| \`${name}\` | ${standard === '' ? '' : `\`${standard}\``} | ${description} |`,
  );
  const [, table = ''] = page('README.md').split('<!-- settings');
  const found = table.split('\n').filter((line) => line.startsWith('| `'));
  expect(found).toEqual(rows);
});

it('are in .env.example as the server has them', () => {
  const entries = describeSettings().map(
    ({ name, default: standard, description }) => `# ${description}\n${name}=${standard}`,
  );
  // What stands above the first one says how to use the file.
  const [, ...found] = page('.env.example').trimEnd().split('\n\n');
  expect(found).toEqual(entries);
});
