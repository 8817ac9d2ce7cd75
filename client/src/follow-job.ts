import type { Client, WaitOptions, WatchOptions } from './client.ts';
import { UnreachableError, WaitTimeoutError } from './errors.ts';
import { getCall } from './job-calls.ts';
import { sleep } from './timing.ts';
import type { Transport } from './transport.ts';
import type { Job } from './wire.ts';

/** How long one request waits; proxies give up after a minute. */
const WAIT_MS = 25_000;
/** How long servers may be away once the job was seen: as long as it takes somebody to bring them back. */
const OUTAGE_MS = 300_000;
/** A server that stops answers waits at once: then not to ask it again and again until it is gone. */
const PAUSE_MS = 250;

/** Whether a job of this status is over. */
export function isTerminal(status: string): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

/** `wait` and `watch`: long requests, one after the other. */
export function followCalls(transport: Transport): Pick<Client, 'wait' | 'watch'> {
  const { send, patienceMs } = transport;
  const outageMs = Math.max(patienceMs, OUTAGE_MS);

  async function wait(id: string, { timeoutMs = Infinity, signal }: WaitOptions = {}): Promise<Job> {
    const until = performance.now() + timeoutMs;
    for (let seen = false; ; seen = true) {
      const left = Math.max(0, until - performance.now());
      const waitMs = Math.min(WAIT_MS, left);
      const patience = seen ? Math.min(outageMs, left) : patienceMs;
      const asked = performance.now();
      try {
        const answer = await send({
          ...getCall(id, { waitMs, ...withSignal(signal), patienceMs: patience }),
        });
        const job = answer.json<Job>();
        if (isTerminal(job.status)) return job;
      } catch (error) {
        if (seen && error instanceof UnreachableError && performance.now() + 1_000 > until)
          throw new WaitTimeoutError(id, timeoutMs, error);
        throw error;
      }
      if (performance.now() >= until) throw new WaitTimeoutError(id, timeoutMs);
      if (performance.now() - asked < waitMs - PAUSE_MS) await sleep(PAUSE_MS, signal);
    }
  }

  async function* watch(id: string, { includeSteps = false, signal }: WatchOptions = {}) {
    const options = { includeSteps, ...withSignal(signal) };
    let job = (await send(getCall(id, options))).json<Job>();
    yield job;
    while (!isTerminal(job.status)) {
      const asked = performance.now();
      const answer = await send({
        ...getCall(id, { ...options, waitMs: WAIT_MS, patienceMs: outageMs }),
        headers: { 'if-none-match': `W/"${job.version}"` },
      });
      if (answer.status !== 304) {
        job = answer.json<Job>();
        yield job;
      } else if (performance.now() - asked < WAIT_MS - PAUSE_MS) {
        await sleep(PAUSE_MS, signal);
      }
    }
  }

  return { wait, watch };
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
