import type { Logger } from 'pino';

/** Something that happens again and again until it is stopped. */
export interface Loop {
  /** Asks for a pass at once; while one is under way, for another one after it. */
  wake(): void;
  /** Ends the loop after the pass under way. */
  stop(): Promise<void>;
}

/** Does one thing after the other, each also when one before it failed; then throws the first error. */
export async function inTurn<Result>(things: readonly (() => Promise<Result>)[]): Promise<Result[]> {
  const results: Result[] = [];
  const errors: unknown[] = [];
  for (const thing of things)
    await thing().then(
      (result) => results.push(result),
      (error) => errors.push(error),
    );
  if (errors.length > 0) throw errors[0];
  return results;
}

/**
 * Runs `pass` now and then after every `intervalMs`, jittered so that servers do not march in step; a pass may return
 * a shorter time until the next. A pass that fails is logged and comes again: a loop never ends by an error.
 */
export function startLoop(options: {
  name: string;
  intervalMs: number;
  log: Logger;
  pass: () => Promise<number | undefined>;
}): Loop {
  let stopped = false;
  let woken = false;
  let wakeUp: (() => void) | null = null;

  const sleep = async (ms: number) => {
    if (woken || stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    wakeUp = null;
  };

  const run = async () => {
    while (!stopped) {
      woken = false;
      let next: number | undefined;
      try {
        next = await options.pass();
      } catch (error) {
        options.log.warn(
          { err: error, loop: options.name },
          `the ${options.name} loop failed, it will try again`,
        );
      }
      const jitter = 0.9 + Math.random() * 0.2;
      await sleep(Math.max(0, Math.min(next ?? Number.POSITIVE_INFINITY, options.intervalMs * jitter)));
    }
  };

  const ended = run();
  return {
    wake() {
      woken = true;
      wakeUp?.();
    },
    async stop() {
      stopped = true;
      wakeUp?.();
      await ended;
    },
  };
}
