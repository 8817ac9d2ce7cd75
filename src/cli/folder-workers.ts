import { type Action, type Claim, Worker, type WorkerEvent } from '../../client/src/index.ts';
import type { FolderAction } from './action-folder.ts';

export interface FolderWorkerOptions {
  server: string;
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

/** Steps of an action that changed may take their time to end: their attempts have deadlines of their own. */
const RETIRE_MS = 24 * 3_600_000;

/**
 * Serves the actions by one worker, and each that says its own `concurrency` by one more, so that a narrow one never
 * holds the slots of the others. A registration names its actions for good, so when those of a group change another
 * worker takes over and the former ends what it runs.
 */
export function createFolderWorkers(options: FolderWorkerOptions): FolderWorkers {
  const current = new Map<string, Action>();
  const serving = new Map<string, Serving>();
  const retiring = new Set<Worker>();
  const dismissed = Promise.withResolvers<void>();
  // Whoever waits for it may come later.
  dismissed.promise.catch(() => {});
  let stopping = false;
  let wanted: Map<string, Group> = new Map();
  let isChanging = false;

  function open(key: string, { names, concurrency }: Group): Worker {
    const { server, version, queues, onEvent } = options;
    const name = key === '' ? options.name : `${options.name} ${key}`;
    const actions = Object.fromEntries(
      names.map((uses): [string, Action] => [
        uses,
        (context: { claim: Claim }) => current.get(uses)?.(context as never),
      ]),
    );
    return new Worker({
      ...{ server, name, version, actions, concurrency, onEvent, handleSignals: false },
      ...(queues === undefined ? {} : { queues }),
    });
  }

  async function replace(key: string, group: Group | undefined): Promise<void> {
    const former = serving.get(key);
    if (group === undefined) serving.delete(key);
    else {
      const worker = open(key, group);
      serving.set(key, { ...group, worker });
      const ended = worker.run().then(() => {
        if (serving.get(key)?.worker === worker && !stopping) dismissed.resolve();
      });
      ended.catch(dismissed.reject);
      // Registered first: in between nobody would offer what stays.
      await worker.start();
    }
    if (former !== undefined) retire(former.worker);
  }

  function retire(worker: Worker): void {
    retiring.add(worker);
    worker.stop({ graceMs: RETIRE_MS }).then(() => retiring.delete(worker), dismissed.reject);
  }

  /** A group that is not served as it should be. */
  function firstDifference(): string | undefined {
    return [...new Set([...wanted.keys(), ...serving.keys()])].find(
      (key) => !isSame(wanted.get(key), serving.get(key)),
    );
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
      if (!isChanging) change().catch(dismissed.reject);
    },
    stop: async (graceMs) => {
      stopping = true;
      const workers = [...[...serving.values()].map(({ worker }) => worker), ...retiring];
      await Promise.all(workers.map((worker) => worker.stop({ graceMs })));
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
