/**
 * One remote worker: its name, then the servers, as arguments. Says so when it is registered; leaves when told to by
 * SIGTERM; ends with its parent.
 */
import { type ActionContext, StepError, Worker } from '../../client/src/index.ts';

const [name = '', ...server] = process.argv.slice(2);

const worker = new Worker({
  name,
  server,
  concurrency: 8,
  prefetch: 8,
  // Jobs are cancelled and deleted under its hands, on purpose: of that it would tell.
  onEvent: ({ level, message }) => level === 'error' && console.error(`${name}: ${message}`),
  actions: {
    echo: ({ input, log, progress }: ActionContext<{ lines?: number } | null>) => {
      const lines = input?.lines ?? 0;
      for (let line = 1; line <= lines; line += 1) log(`line ${line} of ${lines}, from a worker elsewhere`);
      progress(0.5);
      return { of: 'echo', input };
    },
    unlucky: ({ claim }) => {
      if (claim.attempt === 1) throw new Error('the first attempt fails');
      return { attempt: claim.attempt };
    },
    refuse: () => {
      throw new StepError('this never works', { code: 'refused', retryable: false });
    },
    nap: ({ input, signal }: ActionContext<{ ms: number }>) =>
      new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(end, input.ms);
        signal.addEventListener('abort', end, { once: true });
      }),
  },
});
process.stdin.resume();
process.stdin.once('close', () => process.exit(1));
await worker.start();
process.stdout.write('registered\n');
