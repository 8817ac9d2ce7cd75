import { CommanderError } from 'commander';
import { EXIT } from './exit-codes.ts';
import { openOutput } from './output.ts';
import { createProgram } from './program.ts';
import { tellTrouble, UsageError } from './trouble.ts';

// Whoever reads may have seen enough (`| head`): that is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    throw error;
  });
}

const words = [...process.argv.slice(2), '--'];
// Asked before anything is read: what cannot be read is told in the same way.
const isJson = words.slice(0, words.indexOf('--')).includes('--json');

try {
  await createProgram(process.env, isJson).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // 0 is for help and version that were asked for; for people the message has been written.
  process.exitCode = error.exitCode === 0 ? EXIT.succeeded : EXIT.usage;
  if (error.exitCode !== 0 && isJson) tellTrouble(new UsageError(messageOf(error)), openOutput(true));
}

function messageOf({ code, message }: CommanderError): string {
  if (code === 'commander.help') return 'no command is given; --help lists them';
  return message.replace(/^error: /, '').replaceAll('\n', ' ');
}
