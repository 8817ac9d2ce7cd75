import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Random } from '../../test/engine/random-jobs.ts';

/** What can happen to what a client says: nothing, late, never heard, heard and not answered, or silence for a while. */
type Fate = 'pass' | 'delay' | 'cut' | 'swallow' | 'freeze';

/** Stands before a server and hands bytes on, or does not. */
export interface Door {
  url: string;
  /** How often each thing happened. */
  counts: Record<Exclude<Fate, 'pass'>, number>;
  /** From now on everything passes. */
  calm(): void;
  close(): Promise<void>;
}

const DELAY_MS = 1_500;
/** A connection on which nothing passes any more is cut at last, as by a router that forgot it. */
const FREEZE_MS = 6_000;

/** Opens a door to a port of this machine; `trouble` is the probability that a request meets one. */
export async function openDoor(toPort: number, random: Random, trouble: number): Promise<Door> {
  const counts = { delay: 0, cut: 0, swallow: 0, freeze: 0 };
  let isCalm = false;
  const draw = (): Fate => {
    if (isCalm || !random.chance(trouble)) return 'pass';
    const fate = random.pick(['delay', 'delay', 'cut', 'swallow', 'swallow', 'freeze'] as const);
    counts[fate] += 1;
    return fate;
  };
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(toPort, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.setNoDelay(true);
      one.on('error', () => {});
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
    carry(near, far, draw, () => random.below(DELAY_MS));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    calm: () => {
      isCalm = true;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Decides anew whenever the client begins to speak after the server did: about once a request. */
function carry(near: Socket, far: Socket, draw: () => Fate, delayMs: () => number): void {
  let fate: Fate = 'pass';
  let isAnswered = true;
  near.on('data', (bytes: Buffer) => {
    if (isAnswered) fate = draw();
    isAnswered = false;
    if (fate === 'cut') near.destroy();
    else if (fate === 'freeze') setTimeout(() => near.destroy(), FREEZE_MS).unref();
    else if (fate === 'delay') {
      near.pause();
      setTimeout(() => {
        far.write(bytes);
        near.resume();
      }, delayMs()).unref();
    } else far.write(bytes);
  });
  far.on('data', (bytes: Buffer) => {
    isAnswered = true;
    // The server has done it, and nobody is told.
    if (fate === 'swallow') near.destroy();
    else if (fate !== 'freeze') near.write(bytes);
  });
}
