import { createClient, HoldfastError, isTerminal, type Job } from '../../client/src/index.ts';
import type { Random } from '../../test/engine/random-jobs.ts';
import { jobOf, type Shape, shapeIndexOf } from './jobs.ts';
import type { Ledger, Steered } from './ledger.ts';
import { twice } from './twice.ts';

/** Submits jobs and looks after them, and enters what it sends before it is sent, and what it is told. */
export interface StormClients {
  /** Submits so many jobs as one batch, to two servers at once. Resolves when both have answered. */
  submit(jobs: number): Promise<void>;
  /** Jobs that somebody still looks after: those that are to be cancelled, retried and so on. */
  readonly caring: number;
}

/** Longer than any outage: a client that gave up would not know what became of its jobs. */
const PATIENCE_MS = 120_000;
const ANSWER_MS = 8_000;
/** Of the jobs that need no care, one of so many is waited for. */
const WATCH_EACH = 5;

export function createClients(options: {
  servers: readonly string[];
  shapes: readonly Shape[];
  ledger: Ledger;
  random: Random;
  signal: AbortSignal;
}): StormClients {
  const { servers, shapes, ledger, random, signal } = options;
  const fetchTwice = twice(servers, random);
  const clients = servers.map((_, first) =>
    createClient({
      server: [...servers.slice(first), ...servers.slice(0, first)],
      ...{ fetch: fetchTwice, timeoutMs: ANSWER_MS, patienceMs: PATIENCE_MS },
    }),
  );
  const any = () => random.pick(clients);
  const now = Date.now;
  let number = 0;
  let batches = 0;
  const state = { caring: 0 };

  async function submit(count: number): Promise<void> {
    const jobs = Array.from({ length: count }, () => jobOf(number++, shapes));
    const key = `storm-${batches++}`;
    ledger.write({ kind: 'submitted', at: now(), key, names: jobs.map(({ name }) => name) });
    const send = async () => {
      const { data } = await any().submitBatch(jobs, { idempotencyKey: key, signal });
      ledger.write({ kind: 'accepted', at: now(), key, ids: data.map(({ id }) => id) });
      return data;
    };
    const [accepted] = await Promise.all([send(), send()]);
    for (const job of accepted) void lookAfter(job);
  }

  async function lookAfter(job: Job): Promise<void> {
    const { care } = shapes[shapeIndexOf(job.name)] as Shape;
    if (care === 'none' && random.below(WATCH_EACH) > 0) return;
    state.caring += 1;
    try {
      await cares[care](job.id);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      state.caring -= 1;
    }
  }

  /** Goes on asking until there is an answer: a refusal is one, too. */
  async function steer(
    job: string,
    verb: Steered['verb'],
    call: () => Promise<{ status?: unknown }>,
  ): Promise<void> {
    const enter = (status: number, said?: string) =>
      ledger.write({
        kind: 'steered',
        at: now(),
        verb,
        job,
        status,
        ...(said === undefined ? {} : { said }),
      });
    enter(0);
    while (!signal.aborted) {
      try {
        const answer = await call();
        enter(200, String(answer.status ?? ''));
        return;
      } catch (error) {
        if (!(error instanceof HoldfastError)) continue;
        enter(error.status, error.code);
        if (error.status < 500) return;
      }
    }
  }

  async function seen(id: string): Promise<Job> {
    for (;;) {
      signal.throwIfAborted();
      const job = await any()
        .get(id, { waitMs: 3_000, signal })
        .catch(() => undefined);
      // The second copy of a pause may come after the resume.
      if (job?.status === 'paused') await steer(id, 'resume', () => any().resume(id, { signal }));
      if (job === undefined || !isTerminal(job.status)) continue;
      ledger.write({ kind: 'seen', at: now(), job: id, status: job.status, version: job.version });
      return job;
    }
  }

  const nap = () => new Promise((resolve) => setTimeout(resolve, random.below(1_500)));
  const cares: Record<Shape['care'], (id: string) => Promise<unknown>> = {
    none: seen,
    async cancel(id) {
      await nap();
      await steer(id, 'cancel', () => any().cancel(id, 'the storm wants it', { signal }));
      await seen(id);
    },
    async pause(id) {
      await nap();
      await steer(id, 'pause', () => any().pause(id, { signal }));
      await nap();
      await steer(id, 'resume', () => any().resume(id, { signal }));
      await seen(id);
    },
    async retry(id) {
      while ((await seen(id)).status === 'failed')
        await steer(id, 'retry', () => any().retry(id, { signal }));
    },
    async delete(id) {
      await seen(id);
      await steer(id, 'delete', () =>
        any()
          .remove(id, { signal })
          .then(() => ({})),
      );
    },
  };

  return {
    submit,
    get caring() {
      return state.caring;
    },
  };
}
