import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Answer, createAnswerReader } from './read-answers.ts';
import type { Shot } from './shot.ts';

/** What became of one request. */
export interface Outcome {
  shot: Shot;
  answers: Answer[];
  /** What is wrong with how the connection went, or null. */
  trouble: string | null;
  /** It was still waiting in the server when it was given up. */
  left: boolean;
}

/** Sends requests one after the other over a connection that is kept as long as the server keeps it. */
export interface Lane {
  /** Several at once are pipelined: all of them are of the way `kept`, in one piece. */
  send(shots: Shot[]): Promise<Outcome[]>;
  close(): void;
}

/** Milliseconds. A server that shares two cores with everything else may take long; no answer at all is the failure. */
const PATIENCE = { answer: 45_000, wait: 2_000, quiet: 60, piece: 8 };

interface Line {
  socket: Socket;
  closed: boolean;
  answers: Answer[];
  broken: string | null;
  asked: string[];
  changed: () => void;
}

async function open(port: number): Promise<Line> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  const line: Line = { socket, closed: false, answers: [], broken: null, asked: [], changed: () => {} };
  const reader = createAnswerReader(() => line.asked.shift() ?? 'nothing');
  const read = (take: () => Answer[]) => {
    try {
      line.answers.push(...take());
    } catch (error) {
      line.broken = (error as Error).message;
    }
    line.changed();
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => read(() => reader.take(bytes)));
  socket.on('end', () => {
    read(() => reader.end());
    if (reader.left() > 0) line.broken ??= 'an answer ended in the middle';
    line.closed = true;
    socket.end();
    line.changed();
  });
  socket.on('close', () => {
    line.closed = true;
    line.changed();
  });
  await once(socket, 'connect').catch(() => {});
  return line;
}

/** Resolves true once the condition holds, false when it does not in time. */
function when(line: Line, ms: number, holds: () => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (result: boolean) => {
      clearTimeout(timer);
      line.changed = () => {};
      resolve(result);
    };
    const timer = setTimeout(() => done(false), ms);
    line.changed = () => holds() && done(true);
    line.changed();
  });
}

export function createLane(port: number): Lane {
  let kept: Line | null = null;

  async function sendKept(shots: Shot[]): Promise<Outcome[]> {
    const gone = kept?.closed === true;
    if (kept === null || gone) kept = await open(port);
    const line = kept;
    line.answers = [];
    line.asked = shots.map(({ method }) => method);
    await write(line, shots);
    const isOver = () => line.answers.length >= shots.length || line.closed || line.broken !== null;
    const waits = shots.some((shot) => shot.waits);
    const inTime = await when(line, waits ? PATIENCE.wait * shots.length : PATIENCE.answer, isOver);
    const closes = line.answers.findIndex(({ headers }) => /close/i.test(headers.connection ?? ''));
    const outcomes = shots.map((shot, at): Outcome => {
      const answer = line.answers[at];
      const left = answer === undefined && !inTime && waits;
      const behind = closes !== -1 && at > closes;
      const missing = answer === undefined && !left && !behind;
      const why = inTime ? 'the connection was closed without an answer' : 'no answer came';
      const trouble = line.broken ?? (missing ? why : null);
      return { shot, answers: answer === undefined ? [] : [answer], trouble, left };
    });
    const [first] = outcomes as [Outcome];
    if (gone) first.trouble ??= 'the connection was closed after an answer that did not say so';
    if (line.answers.length > shots.length)
      (outcomes.at(-1) as Outcome).trouble = 'more answers than requests';
    if (!inTime || closes !== -1 || line.broken !== null || line.closed) drop();
    return outcomes;
  }

  function drop(): void {
    kept?.socket.destroy();
    kept = null;
  }

  return {
    send: async (shots) => {
      const [only] = shots as [Shot];
      return only.way === 'alone' ? [await sendAlone(port, only)] : await sendKept(shots);
    },
    close: drop,
  };
}

/** Sends it over a connection of its own, and takes whatever comes until nothing more does. */
async function sendAlone(port: number, shot: Shot): Promise<Outcome> {
  const line = await open(port);
  line.asked = [shot.method];
  await write(line, [shot]);
  if (shot.halfClose) line.socket.end();
  const some = () => line.answers.length > 0 || line.closed || line.broken !== null;
  const patience = shot.maySilence || shot.waits ? PATIENCE.wait : PATIENCE.answer;
  await when(line, patience, some);
  // What was behind the request as this server understood it may be answered too.
  await when(line, PATIENCE.quiet, () => line.closed);
  const silent = line.answers.length === 0;
  const trouble = line.broken ?? (silent && !shot.maySilence && !shot.waits ? 'no answer came' : null);
  line.socket.destroy();
  return { shot, answers: line.answers, trouble, left: false };
}

async function write(line: Line, shots: Shot[]): Promise<void> {
  const [{ pieces }] = shots as [Shot];
  const bytes =
    shots.length === 1 ? (shots[0] as Shot).bytes : Buffer.concat(shots.map((shot) => shot.bytes));
  const size = Math.ceil(bytes.length / pieces);
  for (let at = 0; at < bytes.length && !line.closed; at += size) {
    line.socket.write(bytes.subarray(at, at + size));
    if (pieces > 1) await when(line, PATIENCE.piece, () => line.closed);
  }
}
