import { CommanderError } from 'commander';
import { EXIT } from './exit-codes.ts';
import { createProgram } from './program.ts';

// Whoever reads may have seen enough (`| head`): that is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    throw error;
  });
}

try {
  await createProgram(process.env).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Its message has been written; 0 is for help and version that were asked for.
  process.exitCode = error.exitCode === 0 ? EXIT.succeeded : EXIT.usage;
}
