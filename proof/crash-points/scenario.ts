import type { Store } from '../../src/database/store.ts';

/**
 * One operation in one situation. `prepare` makes the situation and returns what is asked for (JSON, since it goes to
 * another process), `run` is what dies on the way.
 */
export interface Scenario<Request = unknown> {
  /** The verb first: `settle: the last step of a job`. */
  name: string;
  prepare(store: Store): Promise<Request>;
  run(store: Store, request: Request): Promise<unknown>;
  /**
   * The same request once more, by whoever got no answer: it ends as if it had been made once. Throws when it is
   * answered in another way than the first time. Absent: without a key nobody can know that it is the same.
   */
  again?(store: Store, request: Request): Promise<unknown>;
  /** What loops of another server do with what was left half done; it ends as if nothing had happened. */
  carryOn?(store: Store, request: Request): Promise<unknown>;
  /** How many commits change something, 1 when absent. What comes between them is a promise too. */
  commits?: number;
  /** It takes seconds: for the long form alone. */
  large?: boolean;
}

/** Keeps the type of the request to the scenario that has it. */
export function scenario<Request>(one: Scenario<Request>): Scenario {
  return one as Scenario;
}

/** The process that dies works for this worker, so every claim that it was granted is left behind. */
export const DEAD_WORKER = '00000000-0000-4000-8000-000000000001';

/** Another one, which lives on. */
export const OTHER_WORKER = '00000000-0000-4000-8000-000000000002';
