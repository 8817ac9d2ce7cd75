import {
  COMPREHENSIONS,
  children,
  isAccess,
  literalKey,
  type Node,
  RESERVED,
  ROOTS,
  STATUS_FUNCTIONS,
} from './language.ts';

/** What an expression says about its surroundings, read from its syntax tree before it ever runs. */
export interface Findings {
  /** What is wrong with it, each a sentence that says the way out. */
  problems: string[];
  /** Names of the steps whose output or status it reads. */
  steps: Set<string>;
  needs: boolean;
  usesStatusFunction: boolean;
}

/** Comprehensions inside comprehensions: one level means a loop in a loop, and no deeper. */
const LOOPS = 2;
const STEP_FIELDS: ReadonlySet<string> = new Set(['output', 'status']);
const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** `steps.build-image`, and what else CEL cannot read as a name after a dot. */
const ODD_STEP = /\bsteps\.((?:\d|[A-Za-z0-9_]+-)[A-Za-z0-9_-]*|(?:in|true|false|null)\b)/;

function stepsForm(name: string): string {
  return PLAIN_NAME.test(name) ? `steps.${name}` : `steps['${name}']`;
}

/** For an expression that does not parse: what to write, if it names a step in a way that CEL cannot read. */
export function oddStepHint(source: string): string | undefined {
  const name = ODD_STEP.exec(source)?.[1];
  return (
    name && `write \`steps['${name}']\`: after a dot CEL reads \`${name}\` as something else than a name`
  );
}

/** Walks an expression. It never throws for what a user wrote. */
export function inspect(root: Node): Findings {
  const findings: Findings = { problems: [], steps: new Set(), needs: false, usesStatusFunction: false };
  visit(root, 0, findings);
  return findings;
}

function isRoot(node: Node | undefined, name: string): boolean {
  return node?.op === 'id' && node.args === name;
}

function visit(node: Node, loops: number, findings: Findings): void {
  if (node.op === 'id') return visitName(node.args as string, findings);
  if (isAccess(node)) return visitAccess(node, loops, findings);
  if (node.op === 'call') visitCall(node, findings);
  if (node.op === 'rcall') return visitMethod(node, loops, findings);
  for (const child of children(node)) visit(child, loops, findings);
}

function visitName(name: string, findings: Findings): void {
  if (name === 'needs') findings.needs = true;
  if (name === 'steps') {
    findings.problems.push(
      "`steps` may only be followed by the name of a step: `steps.build.output`, `steps['build'].status`",
    );
  }
  if (RESERVED.has(name))
    findings.problems.push(`\`${name}\` is a reserved name; expressions can use ${listRoots()}`);
}

function listRoots(): string {
  return [...ROOTS].map((name) => `\`${name}\``).join(', ');
}

function visitAccess(node: Node, loops: number, findings: Findings): void {
  const base = (node.args as [Node])[0];
  if (isRoot(base, 'steps')) return bareStep(node, findings);
  if (isAccess(base) && isRoot((base.args as [Node])[0], 'steps'))
    return visitStepField(base, node, findings);
  if (isRoot(base, 'job') && literalKey(node) !== 'id')
    findings.problems.push('of the job only `job.id` can be read');
  visit(base, loops, findings);
  const key = (node.args as [Node, Node | string])[1];
  if (typeof key !== 'string') visit(key, loops, findings);
}

function visitStepField(step: Node, field: Node, findings: Findings): void {
  const name = literalKey(step);
  const key = literalKey(field);
  if (name === undefined) return visitName('steps', findings);
  if (key !== undefined && STEP_FIELDS.has(key)) findings.steps.add(name);
  else findings.problems.push(`\`${stepsForm(name)}\` has \`.output\` and \`.status\` and nothing else`);
}

/** A step with no field after it: most likely a hyphen that CEL took for a minus. */
function bareStep(step: Node, findings: Findings): void {
  const name = literalKey(step);
  if (name === undefined) return visitName('steps', findings);
  const rest = /^-[A-Za-z0-9_-]*/.exec(step.input.slice(step.end));
  if (rest && step.op === '.') {
    const whole = name + rest[0];
    findings.problems.push(
      `write \`steps['${whole}']\`: in \`steps.${whole}\` CEL reads the hyphen as a minus`,
    );
  } else {
    findings.problems.push(`say \`${stepsForm(name)}.output\` or \`${stepsForm(name)}.status\``);
  }
}

function visitCall(node: Node, findings: Findings): void {
  const name = (node.args as [string])[0];
  if (STATUS_FUNCTIONS.has(name)) findings.usesStatusFunction = true;
  if (name === 'has') useDots(children(node)[0]);
  if (name === 'matches') refuseMatches(findings);
  if (name === 'cancelled') {
    findings.problems.push('there is no `cancelled()`: after a cancel nothing of the job runs any more');
  }
}

function refuseMatches(findings: Findings): void {
  findings.problems.push(
    '`matches` is not available, since a pattern can run for hours; ' +
      'use `contains`, `startsWith`, `endsWith` or `split`',
  );
}

function visitMethod(node: Node, loops: number, findings: Findings): void {
  const [name, receiver, given] = node.args as [string, Node, Node[]];
  if (name === 'matches') refuseMatches(findings);
  visit(receiver, loops, findings);
  const isLoop = COMPREHENSIONS.has(name) && node.meta.alternate !== undefined;
  const binds = isLoop || (name === 'bind' && isRoot(receiver, 'cel'));
  if (isLoop && loops >= LOOPS) {
    findings.problems.push(`\`${name}\` is nested too deep; a loop inside a loop is the most there may be`);
  }
  const inner = isLoop ? loops + 1 : loops;
  for (const [i, child] of given.entries()) {
    if (binds && i === 0) visitVariable(child, findings);
    else visit(child, inner, findings);
  }
}

/** A loop's own variable may not hide a name that means something: then a name means one thing everywhere. */
function visitVariable(variable: Node, findings: Findings): void {
  const name = String(variable.args);
  if (ROOTS.has(name) || RESERVED.has(name)) {
    findings.problems.push(`\`${name}\` cannot be the name of a variable; call it \`x\`, for instance`);
  }
}

/** `has()` takes dots only; with this it also takes `has(steps['build-image'].output.rows)`. */
function useDots(argument: Node | undefined): void {
  for (let node = argument; node && isAccess(node); node = (node.args as [Node])[0]) {
    const key = literalKey(node);
    if (key === undefined || node === argument) continue;
    node.op = node.op === '[]' ? '.' : node.op;
    node.args = [(node.args as [Node])[0], key];
  }
}
