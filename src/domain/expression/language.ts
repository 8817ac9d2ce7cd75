import { Environment } from '@marcbachmann/cel-js';

/**
 * The language of expressions: CEL, made to fit JSON. Numbers of both kinds mix, lists and objects may hold
 * anything, and nothing that a user writes stays in memory after its program is dropped.
 */

/** One node of a parsed expression, with the parts of the library's node that guard and meter rely on. */
export interface Node {
  op: string;
  args: unknown;
  readonly input: string;
  readonly start: number;
  readonly end: number;
  readonly meta: { readonly alternate?: Node };
  handle?: (...given: unknown[]) => unknown;
}

/** The names that an expression may start from. */
export const ROOTS: ReadonlySet<string> = new Set(['job', 'input', 'steps', 'needs']);
/** Names kept for what may come later. */
export const RESERVED: ReadonlySet<string> = new Set(['secrets', 'env', 'item', 'matrix', 'vars']);
export const STATUS_FUNCTIONS: ReadonlySet<string> = new Set(['success', 'failure', 'always']);
export const COMPREHENSIONS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);
const ACCESS: ReadonlySet<string> = new Set(['.', '.?', '[]', '[?]']);

/** Nodes of one expression. With the length of the source it bounds what parsing and checking may cost. */
const NODES = 1000;
const DEPTH = 64;

/** What the status functions answer now. Evaluation is synchronous, so one place will do. */
const statusNow = { success: false, failure: false };

export function setStatus(success: boolean, failure: boolean): void {
  statusNow.success = success;
  statusNow.failure = failure;
}

type Numeric = number | bigint;
const MIXED: [string, string][] = [
  ['double', 'int'],
  ['int', 'double'],
];

function divisor(value: Numeric): number {
  if (Number(value) === 0) throw new Error('division by zero');
  return Number(value);
}

/** JSON has one kind of number and CEL two: without these, `input.n + 1` would have no overload. */
function registerMixedNumbers(environment: Environment): void {
  for (const [left, right] of MIXED) {
    const operator = (op: string, apply: (a: Numeric, b: Numeric) => number) =>
      environment.registerOperator(`${left} ${op} ${right}: double`, apply);
    operator('+', (a, b) => Number(a) + Number(b));
    operator('-', (a, b) => Number(a) - Number(b));
    operator('*', (a, b) => Number(a) * Number(b));
    operator('/', (a, b) => Number(a) / divisor(b));
    operator('%', (a, b) => Number(a) % divisor(b));
  }
  environment.registerOperator('double % double: double', (a: number, b: number) => a % divisor(b));
  // An ordering compares a bigint and a number by value and rounds neither, which `===` would refuse.
  environment.registerOperator('int == double: bool', (a: Numeric, b: Numeric) => a <= b && a >= b);
}

/** The parts of the library's evaluator that are steered here; 8.0.0 has no public way to them. */
interface Internals {
  debugType(value: unknown): unknown;
  debugTypeDeep(value: unknown): unknown;
  tryEval(node: unknown, context: unknown): unknown;
  registry: {
    getType(name: string): unknown;
    getListType(item: unknown): unknown;
    getMapType(key: unknown, value: unknown): unknown;
    getOptionalType(item: unknown): unknown;
    functionCandidates(onReceiver: boolean, name: string, count: number): unknown;
  };
}

/**
 * Keeps types shallow: a list is a list and an object an object, whatever they hold. The library would type a
 * list by its first item, which is wrong for JSON, and keep every shape it ever saw (a list of maps of lists) for
 * the life of the process, which lets whoever submits jobs fill the memory.
 */
function keepTypesShallow(internals: Internals): void {
  const { registry } = internals;
  const [list, map, optional] = [
    registry.getType('list'),
    registry.getType('map'),
    registry.getType('optional'),
  ];
  registry.getListType = () => list;
  registry.getMapType = () => map;
  registry.getOptionalType = () => optional;
  const debugType = internals.debugType.bind(internals);
  // The library asks a value for its `constructor`, which JSON may well have as a key of its own.
  internals.debugType = (value) => (shadowsConstructor(value) ? map : debugType(value));
  internals.debugTypeDeep = (value) => internals.debugType(value);
}

/** Whether this is an object that hides its constructor behind a key of that name. */
function shadowsConstructor(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'constructor');
}

/** Looking up a function that does not exist leaves an entry behind, so unknown names share one. */
function forgetUnknownFunctions(internals: Internals, environment: Environment): void {
  const { registry } = internals;
  const known = new Set(
    environment
      .getDefinitions()
      .functions.map((f) => `${f.receiverType !== null}:${f.name}:${f.params.length}`),
  );
  const find = registry.functionCandidates.bind(registry);
  registry.functionCandidates = (onReceiver, name, count) =>
    known.has(`${onReceiver}:${name}:${count}`) ? find(onReceiver, name, count) : find(onReceiver, '', 0);
}

function createLanguage(): { environment: Environment; evaluator: Internals } {
  const seen: Internals[] = [];
  const environment = new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: NODES, maxDepth: DEPTH },
  });
  for (const name of ROOTS) environment.registerVariable(name, 'dyn');
  registerMixedNumbers(environment);
  const sync = { async: false };
  environment
    .registerFunction('success(): bool', () => statusNow.success, sync)
    .registerFunction('failure(): bool', () => statusNow.failure, sync)
    .registerFunction(
      'always(): bool',
      // The library hands its evaluator to functions as `this`, and to nobody else.
      function (this: Internals) {
        seen[0] = this;
        return true;
      },
      sync,
    );
  environment.evaluate('always()');
  const evaluator = seen[0] as Internals;
  keepTypesShallow(evaluator);
  forgetUnknownFunctions(evaluator, environment);
  return { environment, evaluator };
}

const { environment, evaluator } = createLanguage();

export { evaluator };

/** The library does not export these two, but its values have them. */
export const Duration = environment.evaluate('duration("0s")').constructor as new () => {
  seconds: bigint;
  nanos: number;
};
export const UnsignedInt = environment.evaluate('0u').constructor as new () => { value: bigint };

export interface Parsed {
  root: Node;
  /** Checks types, which evaluation needs once; gives the type, or throws. */
  check(): string;
  evaluate(context: object): unknown;
}

/** Parses CEL. Throws the library's ParseError, or a RangeError where the nesting exhausts the stack. */
export function parse(source: string): Parsed {
  const parsed = environment.parse(source);
  const root = parsed.ast as unknown as Node;
  return {
    root,
    check() {
      const result = parsed.check();
      if (!result.valid) throw result.error;
      guardAccess(root);
      return String(result.type);
    },
    evaluate: (context) => parsed(context),
  };
}

export function isAccess(node: Node): boolean {
  return ACCESS.has(node.op);
}

/** The key of an access when it is written out: `a.b`, `a['b']`; undefined when it is computed. */
export function literalKey(access: Node): string | undefined {
  const key = (access.args as [Node, Node | string])[1];
  if (typeof key === 'string') return key;
  return key.op === 'value' && typeof key.args === 'string' ? key.args : undefined;
}

/** The nodes right below a node, as they were written: macros are not expanded. */
export function children(node: Node): Node[] {
  const args = node.args as never;
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case 'call':
      return (args as [string, Node[]])[1];
    case 'rcall': {
      const [, receiver, given] = args as [string, Node, Node[]];
      return [receiver, ...given];
    }
    case 'map':
      return (args as Node[][]).flat();
    case '!_':
    case '-_':
      return [args as Node];
    case '.':
    case '.?':
      return [(args as [Node, string])[0]];
    default:
      return args as Node[];
  }
}

/** Makes access work where the library stumbles: on null, and on an object with a key named `constructor`. */
function guardAccess(node: Node): void {
  for (const child of children(node)) guardAccess(child);
  const run = node.handle;
  if (!run || (node.op !== '.' && node.op !== '[]')) return;
  node.handle = (value, key, ...rest) => {
    if (value === null) throw new Error(`cannot read \`${String(key)}\` of null`);
    if (shadowsConstructor(value) && Object.hasOwn(value, String(key))) {
      return (value as Record<string, unknown>)[String(key)];
    }
    return run(value, key, ...rest);
  };
}
