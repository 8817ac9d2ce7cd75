import type { ClaimedStep } from '../operations/advance-jobs.ts';
import type { StopReason } from './run-step.ts';

// Steps of actions that never block need no slot; this many may be between claim and commit, which is what fills a batch.
// The more there are, the more are handed over without a way through the queue.
const INSTANT_ROOM = 2048;
// What these hold may be large: while it is so much, no more of them are taken.
const INSTANT_BYTES = 64 * 1024 * 1024;

/** A step that this server holds, from its claim to the commit of its outcome. */
export interface Held {
  claim: ClaimedStep;
  controller: AbortController;
  instant: boolean;
  /** Its action has ended: the slot is free, the outcome still to be committed. */
  ended: boolean;
  /** How many times in a row the slot went from step to step by hand-off. */
  chain: number;
  /** What was loaded to run it. */
  bytes: number;
  /** What its action last reported of its progress, 0 to 1, and nobody has written yet. */
  progress: number | null;
  /** When (`performance.now()`) its claim was last known to be valid for the whole ttl. */
  extendedAt: number;
}

/** What a step takes up: one of the server's slots, or only a place among the instant ones. */
export type Kind = 'slot' | 'instant';

/** The steps that this server holds, and the room that is left. */
export interface HeldSteps {
  add(claim: ClaimedStep, instant: boolean, chain: number): void;
  /** Takes note of how much was loaded to run it, in bytes. */
  weigh(claimId: string, bytes: number): void;
  get(claimId: string): Held | undefined;
  all(): Held[];
  /** Its action has ended. */
  free(claimId: string): void;
  /** Its outcome is committed, or nobody's affair any more. */
  drop(claimId: string): void;
  /** What is neither held nor reserved. */
  room(): Record<Kind, number>;
  /** Keeps room for a step that is being claimed; false when there is none. */
  reserve(kind: Kind): boolean;
  giveBack(reserved: Record<Kind, number>): void;
  abortAll(reason: StopReason): void;
  /** Resolves when no action runs, or after `ms`. */
  allFree(ms: number): Promise<void>;
}

export function heldSteps(slots: number): HeldSteps {
  const held = new Map<string, Held>();
  let busySlots = 0;
  let instants = 0;
  let running = 0;
  let bytes = 0;
  let watchers: (() => void)[] = [];
  const reserved: Record<Kind, number> = { slot: 0, instant: 0 };
  const room = () => ({
    slot: Math.max(0, slots - busySlots - reserved.slot),
    instant: bytes > INSTANT_BYTES ? 0 : Math.max(0, INSTANT_ROOM - instants - reserved.instant),
  });

  const free = (entry: Held) => {
    if (entry.ended) return;
    entry.ended = true;
    running -= 1;
    if (!entry.instant) busySlots -= 1;
    if (running > 0) return;
    for (const watcher of watchers) watcher();
    watchers = [];
  };

  return {
    add(claim, instant, chain) {
      const controller = new AbortController();
      held.set(claim.claim_id, {
        claim,
        controller,
        instant,
        ended: false,
        chain,
        bytes: 0,
        progress: null,
        extendedAt: performance.now(),
      });
      running += 1;
      if (instant) instants += 1;
      else busySlots += 1;
    },
    weigh(claimId, loaded) {
      const entry = held.get(claimId);
      if (!entry?.instant) return;
      entry.bytes += loaded;
      bytes += loaded;
    },
    get: (claimId) => held.get(claimId),
    all: () => [...held.values()],
    free(claimId) {
      const entry = held.get(claimId);
      if (entry) free(entry);
    },
    drop(claimId) {
      const entry = held.get(claimId);
      if (!entry) return;
      free(entry);
      held.delete(claimId);
      bytes -= entry.bytes;
      if (entry.instant) instants -= 1;
    },
    room,
    reserve(kind) {
      if (room()[kind] <= 0) return false;
      reserved[kind] += 1;
      return true;
    },
    giveBack(given) {
      reserved.slot -= given.slot;
      reserved.instant -= given.instant;
    },
    abortAll(reason) {
      for (const entry of held.values()) if (!entry.ended) entry.controller.abort(reason);
    },
    async allFree(ms) {
      if (running === 0) return;
      await new Promise<void>((resolve) => {
        const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(resolve, ms);
        watchers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}
