import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { createProgram } from '../../src/cli/program.ts';

const PAGE = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const program = createProgram({});

it('every command is in its table on the page, with its options and what its help says', () => {
  const rows = program.commands.map((command) => {
    const given = command.registeredArguments.map((one) =>
      one.required ? ` <${one.name()}>` : ` [${one.name()}]`,
    );
    const options = command.options.map(({ long }) => `\`${long}\``).join(' ');
    return `| \`${command.name()}${given.join('')}\` | ${options}${options === '' ? '' : ' '}| ${command.description()} |`;
  });
  const [, table = ''] = PAGE.split('<!-- commands');
  expect(table.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
});

it('every command shows examples of itself in its help', () => {
  for (const command of program.commands) {
    let help = '';
    const keep = (text: string) => {
      help += text;
    };
    command.configureOutput({ writeOut: keep }).outputHelp();
    expect(help).toMatch(new RegExp(`\nExamples:\n( {2}\\$ .*\n?)*.*holdfast ${command.name()}\\b`));
    expect(help).toContain('--server <url>');
  }
});

it('every exit code is explained on the page', () => {
  const found = [...PAGE.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, code, name]) => [name, Number(code)]);
  expect(found).toEqual(Object.entries(EXIT));
});
