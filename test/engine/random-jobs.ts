/** Random jobs from a seed: the same seed gives the same jobs, so that a failure can be replayed. */
import type { JsonObject } from '../../src/domain/json.ts';
import type { Condition, Plan, PlannedStep } from './oracle.ts';

export interface Random {
  /** A whole number from 0 to below `end`. */
  below(end: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** Each element with the given probability, in order. */
  some<T>(list: readonly T[], probability: number): T[];
  shuffle<T>(list: readonly T[]): T[];
}

/** The generator known as mulberry32: small, and the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (end: number) => Math.floor(next() * end);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)] as never,
    some: (list, probability) => list.filter(() => next() < probability),
    shuffle(list) {
      const copy = [...list];
      for (let i = copy.length - 1; i > 0; i -= 1) {
        const j = below(i + 1);
        [copy[i], copy[j]] = [copy[j] as never, copy[i] as never];
      }
      return copy;
    },
  };
}

/** Long enough that nothing is due before a test moves the row. */
export const LONG_MS = 3_600_000;

export function randomPlan(random: Random): Plan {
  const size = 1 + random.below(9);
  // The order of ordinals says nothing about the order of the graph.
  const order = random.shuffle(Array.from({ length: size }, (_, ordinal) => ordinal));
  const steps: PlannedStep[] = [];
  for (const [place, ordinal] of order.entries()) {
    const above = order.slice(0, place);
    // Long and narrow as well as wide: what passes down several steps shows in chains alone.
    const near = random.chance(0.4) ? above.slice(-1) : random.shuffle(above).slice(0, random.below(4));
    const needs = random.chance(0.85) ? near : [];
    steps[ordinal] = { ...randomStep(random, ordinal), needs };
  }
  for (const step of steps) {
    if (random.chance(0.45)) step.condition = randomCondition(random, ancestorsOf(steps, step.ordinal));
  }
  return {
    steps,
    max_parallel: random.chance(0.4) ? 1 + random.below(3) : null,
    fail_fast: random.chance(0.4),
    scheduled: random.chance(0.15),
    output: random.chance(0.4) ? (random.chance(0.2) ? 'broken' : random.below(size)) : null,
  };
}

/** Actions and queues that only remote workers serve. */
export const REMOTE_USES = ['resize', 'render'] as const;
export const REMOTE_QUEUES = ['default', 'gpu'] as const;

/** A random job of steps for remote workers. */
export function randomRemotePlan(random: Random): Plan {
  const plan = randomPlan(random);
  for (const step of plan.steps) {
    step.uses = random.pick(REMOTE_USES);
    step.queue = random.chance(0.75) ? 'default' : 'gpu';
  }
  return { ...plan, priority: random.below(3) };
}

function randomStep(random: Random, ordinal: number): PlannedStep {
  return {
    ordinal,
    name: `s${ordinal}`,
    needs: [],
    condition: null,
    continue_on_error: random.chance(0.2),
    max_attempts: 1 + random.below(3),
    max_losses: 1 + random.below(3),
    retry_delay_ms: random.chance(0.5) ? 0 : LONG_MS,
  };
}

function ancestorsOf(steps: readonly PlannedStep[], ordinal: number): number[] {
  const found = new Set<number>();
  const open = [...(steps[ordinal]?.needs ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(steps[next]?.needs ?? []));
  }
  return [...found].sort((a, b) => a - b);
}

function randomCondition(random: Random, ancestors: readonly number[]): Condition {
  const choice = random.below(ancestors.length > 0 ? 11 : 6);
  if (choice === 0) return { kind: 'literal', value: random.chance(0.6) };
  if (choice === 1) return { kind: random.pick(['broken', 'failure'] as const) };
  if (choice === 2) return { kind: 'always' };
  if (choice === 3) return { kind: 'failure' };
  if (choice === 4) return { kind: 'not', of: { kind: 'failure' } };
  if (choice === 5) return { kind: 'success' };
  if (choice === 6) return { kind: 'output', step: random.pick(ancestors), above: random.below(10) };
  if (choice === 7) return { kind: 'needs', status: random.pick(['succeeded', 'failed', 'skipped']) };
  const kind = random.pick(['and', 'or'] as const);
  const left: Condition = { kind: random.pick(['always', 'success', 'failure'] as const) };
  const status = random.pick(['succeeded', 'failed', 'skipped', 'cancelled'] as const);
  return { kind, left, right: { kind: 'status', step: random.pick(ancestors), status } };
}

/** The plan as a user would submit it. */
export function definitionOf(plan: Plan, random: Random): JsonObject {
  return {
    name: 'model',
    input: {},
    fail_fast: plan.fail_fast,
    ...(plan.priority === undefined ? {} : { priority: plan.priority }),
    ...(plan.max_parallel === null ? {} : { max_parallel: plan.max_parallel }),
    ...(plan.scheduled ? { delay: LONG_MS / 1000 } : {}),
    ...(plan.output === null ? {} : { output: { of: outputTemplate(plan.output) } }),
    steps: plan.steps.map((step) => ({
      name: step.name,
      uses: step.uses ?? 'value',
      ...(step.queue === undefined ? {} : { queue: step.queue }),
      needs: step.needs.map((need) => `s${need}`),
      continue_on_error: step.continue_on_error,
      retry: {
        max_attempts: step.max_attempts,
        max_losses: step.max_losses,
        delay: step.retry_delay_ms / 1000,
        max_delay: LONG_MS / 1000,
        jitter: false,
      },
      ...(step.condition === null ? {} : { if: conditionText(step.condition, random) }),
    })),
  };
}

function outputTemplate(output: number | 'broken'): string {
  return output === 'broken' ? '${{ input.nothing }}' : `\${{ steps.s${output}.output }}`;
}

function conditionText(condition: Condition, random: Random): string {
  const text = textOf(condition);
  return random.chance(0.5) ? text : `\${{ ${text} }}`;
}

function textOf(condition: Condition): string {
  switch (condition.kind) {
    case 'literal':
      return String(condition.value);
    case 'broken':
      return 'input.nothing > 1';
    case 'not':
      return `!(${textOf(condition.of)})`;
    case 'and':
      return `${textOf(condition.left)} && ${textOf(condition.right)}`;
    case 'or':
      return `${textOf(condition.left)} || ${textOf(condition.right)}`;
    case 'output':
      return `steps.s${condition.step}.output.n > ${condition.above}`;
    case 'needs':
      return `needs.exists(n, n.status == "${condition.status}")`;
    case 'status':
      return `steps.s${condition.step}.status == "${condition.status}"`;
    default:
      return `${condition.kind}()`;
  }
}
