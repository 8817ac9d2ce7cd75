import type { Store } from '../../src/database/store.ts';
import { brokenInvariants, readRows } from '../../test/engine/invariants.ts';
import { type Child, waitForSessions } from './children.ts';
import { driveToEnd } from './drive.ts';
import type { Place } from './place.ts';
import { difference, isSame, keepRows, putRowsBack, readState, type State } from './rows.ts';
import { isCommit, type Point } from './statements.ts';
import { endOf, type Prepared, startOf, stateAt, type Trace } from './trace.ts';

/** What a crash left: as before, as after a run without one, or what stands between two transactions. */
export type Outcome = 'nothing' | 'everything' | 'a part';

export interface Finding {
  outcome: Outcome | null;
  /** Promises that were broken; empty when all held. */
  broken: string[];
}

/**
 * Lets a process die at a point and judges what is left, from what was stored to the end of all jobs. With `once`, what
 * becomes of the rows afterwards is looked into only if the same rows were not left by another crash of this scenario.
 */
export async function tryPoint(
  place: Place,
  child: Child,
  prepared: Prepared,
  point: Point,
  once: boolean,
): Promise<Finding> {
  const { scenario, request } = prepared;
  await putRowsBack(place.pool, 'before');
  const { name } = scenario;
  const { number } = point.statement;
  const { signal, trouble } = await child.perform({ name, request, number, when: point.when });
  await waitForSessions(place.pool, child.pid);
  if (signal !== 'SIGKILL') {
    return {
      outcome: null,
      broken: [`the process never came there: ${trouble.slice(0, 500) || signal || 'it ended'}`],
    };
  }
  const left = await readState(place.pool);
  const broken = [...judgeState(prepared, point, left), ...brokenInvariants(await readRows(place.store.db))];
  const outcome = outcomeOf(prepared.trace, left);
  const known = once && outcome !== 'a part' && prepared.looked.has(outcome);
  if (known && broken.length === 0) return { outcome, broken };
  prepared.looked.add(outcome);
  await keepRows(place.pool, 'left');
  for (const [what, check] of checks(prepared, left)) {
    await putRowsBack(place.pool, 'left');
    const wrong = await check(place).catch((error: Error) => [error.stack ?? error.message]);
    broken.push(...wrong.map((one) => `${what}: ${one}`));
  }
  return { outcome, broken };
}

type Check = (place: Place) => Promise<string[]>;

/** What becomes of it afterwards; each begins with what the crash left. */
function checks({ scenario, request, trace }: Prepared, left: State): [string, Check][] {
  const { again, carryOn } = scenario;
  const list: [string, Check][] = [['nobody asks again', ({ store }) => driveToEnd(store)]];
  const last = endOf(trace);
  if (again) {
    const ask = (store: Store) => again(store, request);
    list.push(['the same request again', (place) => leadsTo(place, last, ask)]);
  }
  if (carryOn && !isSame(left, startOf(trace))) {
    const loops = (store: Store) => carryOn(store, request);
    list.push(['loops of another server', (place) => leadsTo(place, last, loops)]);
  }
  return list;
}

async function leadsTo(
  { pool, store }: Place,
  expected: State,
  act: (store: Store) => Promise<unknown>,
): Promise<string[]> {
  await act(store);
  const state = await readState(pool);
  const wrong = brokenInvariants(await readRows(store.db));
  if (!isSame(state, expected))
    wrong.push(`ends otherwise than without a crash\n${difference(expected, state)}`);
  return wrong;
}

/** All or nothing, and which of them where that is certain. */
function judgeState({ scenario, trace }: Prepared, point: Point, left: State): string[] {
  const { commits = 1 } = scenario;
  const broken: string[] = [];
  const inOne = commits <= 1 && !isSame(left, startOf(trace)) && !isSame(left, endOf(trace));
  if (inOne) broken.push(`is stored in part\n${difference(endOf(trace), left)}`);
  const { number } = point.statement;
  const answered = point.when === 'answered' ? number : number - 1;
  const possible = [stateAt(trace, answered)];
  if (point.when === 'sent' && isCommit(point.statement)) possible.push(stateAt(trace, number));
  if (!inOne && !possible.some((state) => isSame(state, left))) {
    const told = point.when === 'answered' && isCommit(point.statement) ? 'answered' : 'not sent';
    broken.push(
      `its commit was ${told}, and what is stored says otherwise\n${difference(possible[0] as State, left)}`,
    );
  }
  return broken;
}

function outcomeOf(trace: Trace, left: State): Outcome {
  if (isSame(left, startOf(trace))) return 'nothing';
  return isSame(left, endOf(trace)) ? 'everything' : 'a part';
}
