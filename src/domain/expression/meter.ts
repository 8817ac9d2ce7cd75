import { COMPREHENSIONS, children, evaluator, type Node } from './language.ts';

/**
 * What an evaluation may cost, counted in operations and not by a clock, so that a job behaves the same on
 * every machine. Whatever grows with the data pays before it runs; the library itself has no budget.
 */

/** One operation is some ten nanoseconds, so this holds the event loop for tens of milliseconds at worst. */
const BUDGET = 2_000_000;
/** Characters that a compare or a search gets through at the price of one operation. */
const CHARACTERS = 32;
/** The same where characters are counted one by one. */
const COUNTED = 4;
/** Reading a clock in a time zone takes the better part of a tenth of a millisecond. */
const ZONED_CALL = 5000;
const DURATION_CALL = 1000;
/** The library marks every error with its place in the source. */
const FAILURE = 1000;
/** The library's duration pattern takes cubic time on a long run of digits. */
const DURATION_LENGTH = 64;
const SEARCHES: ReadonlySet<string> = new Set(['contains', 'indexOf', 'lastIndexOf', 'split']);

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);
/** One error for all: making errors is slow, and this one says nothing of where it happened. */
const EXHAUSTED = new Error(
  'it takes too many operations; work on less data, or do this in a step of its own',
);

let left = 0;

/** Starts the budget of one condition or one template. */
export function startMeter(): void {
  left = BUDGET;
}

/** Whether the budget is used up; what fails then would fail again. */
export function isExhausted(): boolean {
  return left < 0;
}

function spend(operations: number): void {
  left -= operations;
  if (left < 0) throw EXHAUSTED;
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return Object.keys(value).length;
}

/** Pays for every value inside a value, shared parts as often as they are reached. */
function spendDeep(value: unknown): void {
  if (typeof value === 'string') return spend(1 + value.length / CHARACTERS);
  spend(1);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const inner = Array.isArray(value) ? value : Object.values(value);
  for (const item of inner) spendDeep(item);
}

function spendCompare(a: unknown, b: unknown): void {
  if (typeof a === 'string' && typeof b === 'string') spend(Math.min(a.length, b.length) / CHARACTERS);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return;
  spendDeep(a);
  spendDeep(b);
}

function spendMembership(value: unknown, list: unknown): void {
  if (!Array.isArray(list)) return;
  if (typeof value !== 'object' || value === null) {
    return spend(list.length * (1 + (typeof value === 'string' ? value.length / CHARACTERS : 0)));
  }
  spendDeep(list);
  for (let i = 0; i < list.length; i++) spendDeep(value);
}

/** What a call pays for looking at one thing it was given; the elements of a list are no concern of most. */
function readingCost(name: string, value: unknown): number {
  if (typeof value === 'string') return 1 + value.length / (name === 'size' ? COUNTED : CHARACTERS);
  return Array.isArray(value) ? 1 : sizeOf(value);
}

function spendCall(name: string, given: unknown[]): void {
  for (const value of given) spend(readingCost(name, value));
  const [first, second] = given;
  if (SEARCHES.has(name)) spend((sizeOf(first) * sizeOf(second)) / CHARACTERS);
  if (name === 'join' && Array.isArray(first)) {
    const separator = second === undefined ? 0 : sizeOf(second);
    for (const item of first) spend(sizeOf(item) + separator);
  }
  if (name.startsWith('get') && second !== undefined) spend(ZONED_CALL);
  if (name !== 'duration') return;
  spend(DURATION_CALL);
  if (sizeOf(first) > DURATION_LENGTH) throw new Error('that is too long for a duration');
}

/** Runs `pay` on what an operator or a call was given, before it runs; `payResult` on what came of it. */
function wrap(node: Node, pay: (...given: unknown[]) => void, payResult?: (result: unknown) => void): void {
  const run = node.handle;
  // What stands inside `has()` has no handle, since it is not evaluated by itself.
  if (!run) return;
  node.handle = (...given) => {
    pay(...given);
    const result = run(...given);
    payResult?.(result);
    return result;
  };
}

/** An index past the end makes an error inside, even where `?` then swallows it. */
function payForOptionalIndex(list: unknown, index: unknown): void {
  if (Array.isArray(list) && !(Number(index) < list.length)) spend(FAILURE);
}

/**
 * Makes a checked expression pay for what it does.
 * @returns how many nodes it has, which is what one pass over it costs
 */
export function installMeter(node: Node): number {
  const below = children(node);
  const counts = below.map(installMeter);
  const total = counts.reduce((sum, count) => sum + count, 1);
  if (node.op === 'rcall' || node.op === 'call') {
    const [name] = node.args as [string];
    const loop = COMPREHENSIONS.has(name) ? node.meta.alternate : undefined;
    const step = total - (counts[0] ?? 0);
    if (loop) wrap(loop, (items) => spend(sizeOf(items) * step));
    else
      wrap(
        node,
        (...given) => spendCall(name, given[0] as unknown[]),
        (result) => spend(sizeOf(result)),
      );
  } else if (node.op === '+') wrap(node, (a, b) => spend(sizeOf(a) + sizeOf(b)));
  else if (node.op === 'in') wrap(node, spendMembership);
  else if (node.op === '[?]') wrap(node, payForOptionalIndex);
  else if (COMPARISONS.has(node.op)) wrap(node, spendCompare);
  return total;
}

const tryEval = evaluator.tryEval.bind(evaluator);
// `||`, `&&`, `all` and `exists` swallow errors and go on. Making one is slow, so it is paid for; and since
// this throws outside what swallows, an evaluation whose budget is used up ends at once.
evaluator.tryEval = (node, context) => {
  const result = tryEval(node, context);
  if (result instanceof Error) spend(FAILURE);
  return result;
};
