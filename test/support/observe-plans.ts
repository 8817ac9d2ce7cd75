import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import type { Tables } from '../../src/database/tables.ts';

/** A node of a plan as EXPLAIN tells it, as far as it is looked at here. */
export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: PlanNode[];
}

/** An executed statement: what it was part of, its text, the session that ran it, and its plan with real rows. */
export interface Execution {
  during: string;
  text: string;
  pid: number;
  plan: PlanNode;
}

export interface Observation {
  /** All that was executed so far. */
  executions: Execution[];
  /** What executions from now on are part of. */
  during: string;
  stop(): void;
}

const SETTINGS = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_timing': 'off',
  'auto_explain.log_format': 'json',
  // What functions and triggers run is seen as well.
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_parameter_max_length': '0',
  // To whoever runs the statement: the server's own log may be out of reach.
  'auto_explain.log_level': 'notice',
};

const OWN = 'holdfast test';

type Connect = typeof pg.Client.prototype.connect;

/**
 * From now on every new session of this database tells how its statements were executed, and those of this process are
 * listened to, but for the pools of tests. Needs a superuser and the library `auto_explain`.
 */
export async function observePlans(db: Kysely<Tables>): Promise<Observation> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
  const database = (rows[0] as { name: string }).name;
  for (const [setting, value] of Object.entries(SETTINGS)) {
    await sql`alter database ${sql.ref(database)} set ${sql.raw(setting)} = ${sql.lit(value)}`.execute(db);
  }
  const prototype = pg.Client.prototype as { connect: Connect };
  const connect = prototype.connect;
  const observation: Observation = {
    executions: [],
    during: '',
    stop: () => {
      prototype.connect = connect;
    },
  };
  prototype.connect = function (this: pg.Client, ...args: unknown[]) {
    const { application_name } = (this as unknown as { connectionParameters: pg.ClientConfig })
      .connectionParameters;
    if (this.database === database && application_name !== OWN) listen(this, observation);
    return (connect as (...args: unknown[]) => unknown).apply(this, args);
  } as Connect;
  return observation;
}

function listen(client: pg.Client, observation: Observation): void {
  client.on('notice', ({ message }) => {
    const json = /^duration: [\d.]+ ms\s+plan:\s*(\{.*\})\s*$/s.exec(message ?? '')?.[1];
    if (json === undefined) return;
    const told = JSON.parse(json) as { 'Query Text': string; Plan: PlanNode };
    const pid = (client as unknown as { processID: number }).processID;
    const text = told['Query Text'].replace(/\s+/g, ' ').trim();
    const { during } = observation;
    observation.executions.push({ during, text, pid, plan: told.Plan });
  });
}

/** All nodes of a plan, from the top. */
export function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** How many rows came out of a node over all its loops. */
export function rowsOf(node: PlanNode): number {
  return Math.round((node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 0));
}

/** How many rows a scan had in its hands. */
export function rowsRead(node: PlanNode): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  return rowsOf(node) + Math.round(removed * (node['Actual Loops'] ?? 0));
}

/** How many rows the statement gave back, changed or locked, whichever is the most. */
export function effectOf(plan: PlanNode): number {
  const changed = nodesOf(plan).filter(
    ({ 'Node Type': type }) => type === 'ModifyTable' || type === 'LockRows',
  );
  const fed = changed.map((node) => rowsOf(node.Plans?.[0] ?? node));
  return Math.max(rowsOf(plan), ...fed);
}

/** A scan that may read more than others, and why that is bounded all the same. */
export interface KnownScan {
  /** The index, or the table when a node names none. */
  of: RegExp;
  /** Found in the statement; any when absent. */
  text?: RegExp;
  /** Found in what it was part of; any when absent. */
  during?: RegExp;
  why: string;
}

// The tables that grow; an index of theirs begins with their name.
const LARGE = /^(job|step|attempt|step_log)(_|$)/;
// Rows that are not worth a word, however few of them are wanted; and how many for each that is given or changed.
const FEW_ROWS = 2_000;
const ROWS_FOR_EACH = 10;

/**
 * What is wrong with the plans of these executions, a line for each kind, which shows the worst of it: a large table
 * that is read in full, and a scan that reads many more rows than the statement gives or changes.
 */
export function findTroubles(executions: readonly Execution[], known: readonly KnownScan[]): string[] {
  const worst = new Map<string, { rows: number; line: string }>();
  for (const { during, text, plan } of executions) {
    const effect = effectOf(plan);
    for (const node of nodesOf(plan)) {
      const of = node['Index Name'] ?? node['Relation Name'] ?? '';
      const type = node['Node Type'];
      if (!LARGE.test(of) || !type.endsWith('Scan') || !node['Actual Loops']) continue;
      const rows = rowsRead(node);
      if (type !== 'Seq Scan' && (rows <= FEW_ROWS || rows <= ROWS_FOR_EACH * effect)) continue;
      if (known.some((one) => fits(one, { of, text, during }))) continue;
      const key = `${type} ${of} ${text}`;
      if (rows < (worst.get(key)?.rows ?? 0)) continue;
      const line = `${during}: ${type} of ${of} read ${rows} rows in ${node['Actual Loops']} loops for ${effect}: ${text}`;
      worst.set(key, { rows, line });
    }
  }
  return [...worst.values()].map(({ line }) => line.slice(0, 400));
}

function fits(known: KnownScan, scan: { of: string; text: string; during: string }): boolean {
  const { of, text, during } = known;
  return of.test(scan.of) && text?.test(scan.text) !== false && during?.test(scan.during) !== false;
}

/** Statements that ran by a plan for any parameters, instead of one for those given. */
export function genericStatements(executions: readonly Execution[]): Set<string> {
  return new Set(executions.filter(({ plan }) => /\$\d/.test(JSON.stringify(plan))).map(({ text }) => text));
}

/** Statements with parameters, and how often one session ran each, at most. */
export function mostRuns(executions: readonly Execution[]): Map<string, number> {
  const runs = new Map<string, number>();
  const most = new Map<string, number>();
  for (const { text, pid } of executions) {
    const count = (runs.get(`${pid} ${text}`) ?? 0) + 1;
    runs.set(`${pid} ${text}`, count);
    most.set(text, Math.max(count, most.get(text) ?? 0));
  }
  return most;
}
