import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import type { Grants } from '../operations/grant-steps.ts';
import type { RemoteRequest } from '../operations/remote-desk.ts';
import type { Claimant, OpenRequest } from './claim-desk.ts';

/** What a remote worker asks for, filled in from how it was registered. */
export type Ask = RemoteRequest & { uses: readonly string[] };

/** What those who wait hear of their worker: what it is told to do, or that nobody knows it any more. */
export type Told = 'drain' | 'stop' | 'unknown';

/** Why an ask ended: claims were granted, the worker is told something, it was served before, or nothing came in time. */
export type AskEnd = { claims: ClaimedStep[]; more: boolean } | Told | 'served' | 'nothing';

/** The asks of remote workers that wait at this server. */
export interface RemoteAsks extends Claimant {
  /** Waits until something comes of it. Rejects when the database was away all the time. */
  wait(ask: Ask): Promise<AskEnd>;
  /** Ids of the workers that wait here. */
  workers(): string[];
  /** Ends all asks of these workers: they have been told something meanwhile. */
  tell(workerId: string, told: Told): void;
  count(): number;
  /** Ends all asks with nothing, now and from now on. */
  end(): void;
  haveEnded(): boolean;
}

interface Waiting {
  ask: Ask;
  /** Its time is over: it ends with the next word about it. */
  over: boolean;
  /** The desk is looking on its behalf. */
  open: boolean;
  looked: boolean;
  /** What its worker was told while the desk was looking. */
  told: Told | null;
  /** How often in a row the row of its worker was held by somebody else, and until when that is no reason to end. */
  busy: { times: number; until: number } | null;
  error: unknown;
  end(end: AskEnd): void;
  reject(error: unknown): void;
}

// The row of its worker is held for the length of a transaction; when it is for longer, looks come less often. Nobody
// is told that there is nothing before this was seen, unless it takes too long.
const BUSY_MS = 5;
const BUSY_MOST_MS = 80;
const BUSY_PATIENCE_MS = 1_000;

/** Keeps the asks of remote workers until the desk has something for them. `wake` asks the desk to look. */
export function createRemoteAsks(wake: () => void): RemoteAsks {
  const waiting = new Set<Waiting>();
  let ended = false;

  const timeOver = (one: Waiting) => {
    one.over = true;
    // What the desk is about to grant must not be left behind, and everybody gets at least one look.
    if (one.open || !(ended || (one.looked && one.busy === null))) return;
    if (one.error === null) one.end('nothing');
    else one.reject(one.error);
  };

  const open = (one: Waiting): OpenRequest => {
    const { ask } = one;
    const granted: ClaimedStep[] = [];
    one.open = true;
    return {
      request: {
        workerId: ask.workerId,
        uses: ask.uses.map((uses) => ({ uses, max: ask.max })),
        room: ask.max,
        queues: ask.queues,
        ttlMs: ask.ttlMs,
        remote: { requestId: ask.requestId },
        accept: () => !ask.gone.aborted && granted.length < ask.max,
        granted: (claim) => granted.push(claim),
      },
      done(grants) {
        one.open = false;
        one.looked = true;
        one.error = null;
        if (grants !== 'busy') one.busy = null;
        return answer(one, grants);
      },
      failed(error) {
        one.open = false;
        one.looked = true;
        one.busy = null;
        one.error = error;
        // The answer may have got lost after the commit: whether they are ours shows when they are loaded.
        if (granted.length > 0) one.end({ claims: granted, more: true });
        else if (one.over || ask.gone.aborted) timeOver(one);
      },
    };
  };

  const answer = (one: Waiting, grants: Grants): number | undefined => {
    const nothing = grants === 'busy' || (typeof grants === 'object' && grants.claims.length === 0);
    if (nothing && one.told !== null) one.end(one.told);
    else if (grants === 'busy') return waitForRow(one);
    else if (!nothing) one.end(grants);
    else if (one.over || one.ask.gone.aborted) one.end('nothing');
    return undefined;
  };

  const waitForRow = (one: Waiting): number | undefined => {
    one.busy ??= { times: 0, until: performance.now() + BUSY_PATIENCE_MS };
    if (ended || one.ask.gone.aborted || (one.over && performance.now() > one.busy.until)) {
      one.end('nothing');
      return undefined;
    }
    one.busy.times += 1;
    return Math.min(BUSY_MOST_MS, BUSY_MS * one.busy.times);
  };

  const begin = (ask: Ask): Promise<AskEnd> =>
    new Promise((resolve, reject) => {
      const finished = () => {
        clearTimeout(timer);
        ask.gone.removeEventListener('abort', left);
        waiting.delete(one);
      };
      const one: Waiting = {
        ask,
        over: ask.waitMs <= 0,
        open: false,
        looked: false,
        told: null,
        busy: null,
        error: null,
        end(end) {
          finished();
          resolve(end);
        },
        reject(error) {
          finished();
          reject(error);
        },
      };
      const left = () => (one.open ? undefined : one.end('nothing'));
      const timer = ask.waitMs > 0 ? setTimeout(() => timeOver(one), ask.waitMs) : undefined;
      ask.gone.addEventListener('abort', left);
      waiting.add(one);
      wake();
    });

  return {
    open: () => [...waiting].filter((one) => !one.open).map(open),
    async wait(ask) {
      if (ended || ask.gone.aborted) return 'nothing';
      if (waiting.size >= LIMITS.claimsWaiting) throw tooMany();
      return begin(ask);
    },
    workers: () => [...new Set([...waiting].map(({ ask }) => ask.workerId))],
    tell(workerId, told) {
      for (const one of waiting) {
        if (one.ask.workerId !== workerId) continue;
        if (one.open) one.told = told;
        else one.end(told);
      }
    },
    count: () => waiting.size,
    end() {
      ended = true;
      for (const one of [...waiting]) timeOver(one);
    },
    haveEnded: () => ended,
  };
}

function tooMany(): AppError {
  const detail = `${LIMITS.claimsWaiting} requests for claims wait here already; try again in a second, or at another server`;
  return new AppError('too_many_waiting', detail);
}
