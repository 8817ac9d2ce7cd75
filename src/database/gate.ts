import type pg from 'pg';
import { AppError } from '../domain/errors.ts';

/** How many connections of a pool somebody may have, beside the others. */
export interface Lane {
  /** Most connections that those in this lane have at once. */
  most: number;
  /** How long one of them waits for a connection before it is refused, in ms. */
  patienceMs: number;
}

/** A way to a pool on which callers wait in lanes; what goes to the pool without it waits behind nobody here. */
export interface Gate<Name extends string> {
  /** The pool as callers of this lane see it: `connect` rejects with `overloaded` when it takes too long. */
  pool(lane: Name): LanePool;
  /** How many callers wait in this lane. */
  waiting(lane: Name): number;
}

/** What Kysely wants of a pool. */
export type LanePool = Pick<pg.Pool, 'connect' | 'options'> & {
  connect(): Promise<pg.PoolClient>;
  end(): Promise<void>;
};

interface Caller {
  go(): void;
}

/**
 * Lets at most `max` callers have a connection of the pool at once. When one is given back, the lane that is named
 * first is served first. Connections of the pool beyond `max` are left to whoever asks the pool itself.
 */
export function createGate<Name extends string>(
  pool: pg.Pool,
  max: number,
  lanes: Record<Name, Lane>,
): Gate<Name> {
  const names = Object.keys(lanes) as Name[];
  const inside = new Map(names.map((name) => [name, 0]));
  const queues = new Map(names.map((name) => [name, new Set<Caller>()]));
  const count = (name: Name) => inside.get(name) as number;
  const queueOf = (name: Name) => queues.get(name) as Set<Caller>;
  const total = () => names.reduce((sum, name) => sum + count(name), 0);
  const hasRoom = (name: Name) => total() < max && count(name) < lanes[name].most;

  const letIn = () => {
    for (const name of names) {
      for (const caller of queueOf(name)) {
        if (!hasRoom(name)) break;
        queueOf(name).delete(caller);
        inside.set(name, count(name) + 1);
        caller.go();
      }
    }
  };
  const leave = (name: Name) => {
    inside.set(name, count(name) - 1);
    letIn();
  };

  const enter = (name: Name): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        queueOf(name).delete(caller);
        reject(tooLong(lanes[name].patienceMs));
      }, lanes[name].patienceMs);
      const caller: Caller = {
        go() {
          clearTimeout(timer);
          resolve();
        },
      };
      queueOf(name).add(caller);
      letIn();
    });

  const connect = async (name: Name): Promise<pg.PoolClient> => {
    await enter(name);
    try {
      const client = await pool.connect();
      // The pool gives each loan a `release` of its own, so this one is for this loan alone.
      const release = client.release;
      client.release = (error) => {
        release(error);
        leave(name);
      };
      return client;
    } catch (error) {
      leave(name);
      throw error;
    }
  };

  return {
    // Whoever opened the pool ends it.
    pool: (lane) =>
      ({ options: pool.options, connect: () => connect(lane), end: async () => {} }) as LanePool,
    waiting: (lane) => queueOf(lane).size,
  };
}

function tooLong(ms: number): AppError {
  const detail = `no connection to the database became free within ${ms / 1000} s; try again in a second`;
  return new AppError('overloaded', detail);
}
