import { createDatabase, createPool } from '../../src/database/connection.ts';
import { PATIENT, type Place } from './place.ts';
import { isSame, keepRows, putRowsBack, readState, removeRows, type State } from './rows.ts';
import type { Scenario } from './scenario.ts';
import { isCommit, type Statement, watchStatements } from './statements.ts';

/** What an operation sends when nothing happens to it, and each state that its commits made; the first is before all. */
export interface Trace {
  statements: Statement[];
  states: { after: number; state: State }[];
}

/** A scenario whose situation is kept under `before`, and of which is known what it does undisturbed. */
export interface Prepared {
  scenario: Scenario;
  request: unknown;
  trace: Trace;
  /** What was looked into already of what crashes left behind. */
  looked: Set<string>;
}

/** Makes the situation of a scenario and lets it run once to its end. */
export async function prepare(place: Place, scenario: Scenario): Promise<Prepared> {
  await removeRows(place.pool);
  const request: unknown = JSON.parse(JSON.stringify(await scenario.prepare(place.store)));
  await keepRows(place.pool, 'before');
  await putRowsBack(place.pool, 'before');
  const trace = await traceOf(place, scenario, request);
  return { scenario, request, trace, looked: new Set() };
}

async function traceOf({ url, pool, store }: Place, { run }: Scenario, request: unknown): Promise<Trace> {
  const trace: Trace = { statements: [], states: [{ after: 0, state: await readState(pool) }] };
  const answered = async (statement: Statement) => {
    trace.statements.push(statement);
    if (!isCommit(statement)) return;
    const state = await readState(pool);
    if (!isSame(state, stateAt(trace, statement.number)))
      trace.states.push({ after: statement.number, state });
  };
  // One connection, as in the process that will die: all statements go through it, in one order.
  const applicationName = 'holdfast crash points';
  const watched = createPool({ connection: url, max: 1, applicationName, timeouts: PATIENT });
  try {
    const client = await watched.connect();
    client.release();
    watchStatements(client, { answered });
    await run({ ...store, db: createDatabase(watched) }, request);
  } finally {
    await watched.end();
  }
  return trace;
}

/** What is stored once so many statements were answered. */
export function stateAt({ states }: Trace, answered: number): State {
  return states.findLast(({ after }) => after <= answered)?.state ?? [];
}

export const startOf = (trace: Trace): State => stateAt(trace, 0);
export const endOf = (trace: Trace): State => stateAt(trace, Number.POSITIVE_INFINITY);
