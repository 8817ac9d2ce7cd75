import { Command } from 'commander';
import { withExamples } from '../given.ts';

export function serveCommand(): Command {
  const command = new Command('serve')
    .description(
      'Start a server, as `npm start` does. Settings are environment variables, or stand in the file .env.',
    )
    .action(async () => {
      // It reads its settings and installs its signals by itself.
      await import('../../main.ts');
    });
  return withExamples(command, ['holdfast serve', 'PORT=8080 DATABASE_URL=postgres://… holdfast serve']);
}
