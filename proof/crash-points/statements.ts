import type { Socket } from 'node:net';
import type pg from 'pg';

/** A statement on its way to the database. `alone`: outside a transaction, so it commits by itself. */
export interface Statement {
  /** From 1, in the order in which an operation sends them. */
  number: number;
  kind: 'begin' | 'inside' | 'commit' | 'rollback' | 'alone';
  /** Its first words. */
  text: string;
}

/** Where the process dies: `sent` is when the statement is on its way and nothing of the answer has been read. */
export type When = 'before' | 'sent' | 'answered';

export const WHENS: readonly When[] = ['before', 'sent', 'answered'];

/** One place to die at. */
export interface Point {
  statement: Statement;
  when: When;
}

/** What is told of each statement of a connection. */
export interface Watch {
  before?(statement: Statement): void;
  /** Called when the driver was given it, before anything else can happen. */
  sent?(statement: Statement): void;
  answered(statement: Statement): void | Promise<void>;
}

/** Whether the database may hold something new once this statement was answered. */
export function isCommit({ kind }: Pick<Statement, 'kind'>): boolean {
  return kind === 'commit' || kind === 'alone';
}

/** Counts the statements of a connection from now on and tells of each; its answer waits for who is told of it. */
export function watchStatements(client: pg.PoolClient, watch: Watch): void {
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const next = counter();
  const watched = (...args: unknown[]) => {
    const statement = next(textOf(args[0]));
    watch.before?.(statement);
    const answer = query(...args);
    watch.sent?.(statement);
    const told = async () => {
      await watch.answered(statement);
      return answer;
    };
    return answer.then(told, told);
  };
  client.query = watched as typeof client.query;
}

function counter(): (text: string) => Statement {
  let number = 0;
  let inside = false;
  return (text) => {
    number += 1;
    const kind = kindOf(text, inside);
    if (kind === 'begin') inside = true;
    if (kind === 'commit' || kind === 'rollback') inside = false;
    return { number, kind, text: firstWords(text) };
  };
}

function kindOf(text: string, inside: boolean): Statement['kind'] {
  const word = /^\s*(\w+)/.exec(text)?.[1]?.toLowerCase();
  if (word === 'begin' || word === 'commit' || word === 'rollback') return word;
  return inside ? 'inside' : 'alone';
}

function firstWords(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 48);
}

function textOf(query: unknown): string {
  return typeof query === 'string' ? query : (query as { text: string }).text;
}

/**
 * Ends the process when all that the driver was given is on its way, and nothing of the answer has been read: the
 * driver gathers the messages of a statement, and a large one leaves in pieces.
 */
export function dieWhenSent(client: pg.PoolClient, die: () => void): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  stream.pause();
  stream.write('', die);
}
