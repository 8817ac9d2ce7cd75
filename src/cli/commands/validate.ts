import { Command } from 'commander';
import { type Format, readDefinitionFile } from '../definition-file.ts';
import { type Given, runs, withExamples } from '../given.ts';
import { showEntries } from '../trouble.ts';
import { count, plain } from '../wording.ts';
import { formatOption } from './submit.ts';

const NAMES_SHOWN = 8;

export function validateCommand(): Command {
  const command = new Command('validate')
    .description('Check a job without storing it, and print the order of its steps.')
    .argument('<file>', 'the definition; `-` reads it from standard input')
    .addOption(formatOption());
  withExamples(command, ['holdfast validate job.yaml', 'holdfast validate job.yaml --json | jq .definition']);
  return runs(command, validate);
}

async function validate(
  { output, connect }: Given,
  { format }: { format?: Format },
  file: string,
): Promise<void> {
  const { body, contentType } = await readDefinitionFile(file, format);
  const checked = await connect().validate(body, { contentType });
  if (output.json) return output.printJson(checked);
  if (checked.warnings.length > 0)
    output.note(['warning:', ...showEntries(checked.warnings, file)].join('\n'));
  const steps = checked.plan.flat().length;
  output.print(
    `${plain(checked.definition.name)}: ${count(steps, 'step')} in ${count(checked.plan.length, 'level')}`,
  );
  checked.plan.forEach((names, index) => {
    const more = names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : '';
    output.print(`  ${index + 1}  ${names.slice(0, NAMES_SHOWN).join(', ')}${more}`);
  });
}
