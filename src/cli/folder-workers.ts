import { type Action, HoldfastError, Worker, type WorkerEvent } from '../../client/src/index.ts';
import type { FolderAction } from './action-folder.ts';

export interface FolderWorkerOptions {
  servers: readonly string[];
  name: string;
  version: string;
  queues: string[] | undefined;
  /** Slots for all actions together that say nothing of their own. */
  concurrency: number;
  onEvent(event: WorkerEvent): void;
}

/** The workers that serve the actions of a folder. */
export interface FolderWorkers {
  /** From now on these actions, with this code; steps that run already end with the code they began with. */
  serve(actions: FolderAction[]): void;
  /** Gives running steps so long to end, then gives them back. May be called again, with less. */
  stop(graceMs: number): Promise<void>;
  /** Resolves when a worker has ended by order of the server. */
  dismissed: Promise<void>;
}

interface Group {
  names: string[];
  concurrency: number;
}

interface Serving extends Group {
  worker: Worker;
}

/**
 * Serves the actions by one worker, and each that says its own `concurrency` by one more, so that a narrow one never
 * holds the slots of the others. A registration names its actions for good, so when those of a group change another
 * worker takes over and the former ends what it runs.
 */
export function createFolderWorkers(options: FolderWorkerOptions): FolderWorkers {
  const { onEvent } = options;
  const current = new Map<string, Action>();
  const serving = new Map<string, Serving>();
  const refused = new Map<string, Group>();
  const all = new Set<Worker>();
  const dismissed = Promise.withResolvers<void>();
  // Whoever waits for it may come later.
  dismissed.promise.catch(() => {});
  let wanted: Map<string, Group> = new Map();
  let isChanging = false;
  let stopping = false;

  function open(key: string, { names, concurrency }: Group): Worker {
    const { servers, version, queues } = options;
    const act = (uses: string): Action => {
      return (context) => current.get(uses)?.(context);
    };
    const worker: Worker = new Worker({
      ...{ server: servers, version, concurrency, handleSignals: false },
      name: key === '' ? options.name : `${options.name} ${key}`,
      actions: Object.fromEntries(names.map((uses) => [uses, act(uses)])),
      ...(queues === undefined ? {} : { queues }),
      onEvent: (event) => {
        // Of a former one nobody needs to know that it goes.
        const isFormer = !stopping && serving.get(key)?.worker !== worker && event.level === 'info';
        onEvent(isFormer && event.event !== 'registered' ? { ...event, level: 'debug' } : event);
        if (event.event !== 'stopped') return;
        all.delete(worker);
        if (serving.get(key)?.worker === worker && !stopping) dismissed.resolve();
      },
    });
    all.add(worker);
    return worker;
  }

  async function replace(key: string, group: Group | undefined): Promise<void> {
    const former = serving.get(key);
    if (group !== undefined) {
      const worker = open(key, group);
      try {
        // Registered first: in between nobody would offer what stays.
        await worker.start();
      } catch (error) {
        all.delete(worker);
        if (!(error instanceof HoldfastError)) throw error;
        // Who serves something goes on with that; who serves nothing has come in vain.
        if (serving.size === 0) throw error;
        refused.set(key, group);
        return onEvent({
          level: 'error',
          event: 'refused',
          message: `not registered: ${error.detail}`,
          error,
        });
      }
      serving.set(key, { ...group, worker });
    } else serving.delete(key);
    // What it runs has deadlines of its own.
    former?.worker.stop({ graceMs: Number.POSITIVE_INFINITY }).catch(dismissed.reject);
  }

  /** A group that is not served as it should be. */
  function firstDifference(): string | undefined {
    const keys = new Set([...wanted.keys(), ...serving.keys()]);
    return [...keys].find((key) => {
      const group = wanted.get(key);
      return !isSame(group, serving.get(key)) && (group === undefined || !isSame(group, refused.get(key)));
    });
  }

  async function change(): Promise<void> {
    isChanging = true;
    try {
      for (let key = firstDifference(); key !== undefined && !stopping; key = firstDifference())
        await replace(key, wanted.get(key));
    } finally {
      isChanging = false;
    }
  }

  return {
    serve: (actions) => {
      for (const { uses, run } of actions) current.set(uses, run);
      wanted = groupActions(actions, options.concurrency);
      refused.clear();
      if (!isChanging) change().catch(dismissed.reject);
    },
    stop: async (graceMs) => {
      stopping = true;
      await Promise.all([...all].map((worker) => worker.stop({ graceMs })));
    },
    dismissed: dismissed.promise,
  };
}

function groupActions(actions: FolderAction[], concurrency: number): Map<string, Group> {
  const groups = new Map<string, Group>();
  const common = actions.filter((action) => action.concurrency === null).map(({ uses }) => uses);
  if (common.length > 0) groups.set('', { names: common.sort(), concurrency });
  for (const action of actions) {
    if (action.concurrency !== null)
      groups.set(action.uses, { names: [action.uses], concurrency: action.concurrency });
  }
  return groups;
}

function isSame(a: Group | undefined, b: Group | undefined): boolean {
  return a?.concurrency === b?.concurrency && a?.names.join() === b?.names.join();
}
