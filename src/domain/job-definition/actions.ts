import { type Offer, serves } from '../blocked-by.ts';
import type { Problem } from '../errors.ts';
import type { Json } from '../json.ts';
import { LIMITS } from '../limits.ts';
import { suggest } from '../suggest.ts';
import type { Problems } from './read.ts';
import type { StatedStep } from './steps.ts';

/** What this server knows of actions, handed in by whoever wires the catalogue. */
export interface ActionChecks {
  /** The actions that are switched on here. */
  known: ReadonlySet<string>;
  /** Those that there are, switched on or not. */
  builtin: ReadonlySet<string>;
  /** Checks an unrendered `with` of a known action; pointers start with `pointer`. */
  checkWith(uses: string, template: Json, pointer: string): Problem[];
}

/** Checks each `with` that an action here can check; a missing one as `{}`, so that what it lacks gets a name. */
export function* checkActions(
  steps: readonly StatedStep[],
  actions: ActionChecks,
  problems: Problems,
): Generator<void> {
  for (const { uses, with: template, pointer } of steps) {
    if (problems.isFull()) return;
    if (uses === undefined || !actions.known.has(uses)) continue;
    for (const problem of actions.checkWith(uses, template ?? {}, `${pointer}/with`)) {
      problems.add(problem.pointer, problem.code, problem.detail);
    }
    yield;
  }
}

/** What may keep a step from ever running: one warning for each action that is not on here, at its first step. */
export function warnOfActions(steps: readonly StatedStep[], actions: ActionChecks): Problem[] {
  const warnings = new Map<string, Problem>();
  for (const { uses, pointer } of steps) {
    if (uses === undefined || actions.known.has(uses) || warnings.has(uses)) continue;
    if (warnings.size >= LIMITS.errorsPerProblem) break;
    warnings.set(uses, { pointer: `${pointer}/uses`, ...warnOfAction(uses, actions) });
  }
  return [...warnings.values()];
}

/** Whether a warning is about an action that is not on here. */
export function isAboutAction({ code }: Problem): boolean {
  return code === 'unknown_action' || code === 'action_switched_off';
}

/** The warnings of a job without those about actions that live workers take from all the queues that it uses. */
export function withoutServed(
  { warnings, steps }: { warnings: readonly Problem[]; steps: readonly { uses: string; queue: string }[] },
  live: readonly Offer[],
): Problem[] {
  const queues = new Map<string, Set<string>>();
  for (const { uses, queue } of steps) queues.set(uses, (queues.get(uses) ?? new Set()).add(queue));
  return warnings.filter((warning) => {
    if (!isAboutAction(warning)) return true;
    // A job without `steps` has its one action at the top.
    const ordinal = Number(/^\/steps\/(\d+)\//.exec(warning.pointer)?.[1] ?? 0);
    const { uses } = steps[ordinal] as { uses: string };
    const used = queues.get(uses) as Set<string>;
    return ![...used].every((queue) => live.some((offer) => serves(offer, uses, queue)));
  });
}

function warnOfAction(uses: string, actions: ActionChecks): Omit<Problem, 'pointer'> {
  if (actions.builtin.has(uses)) {
    const detail = `the action \`${uses}\` is switched off on this server; name it in the setting ACTIONS`;
    return { code: 'action_switched_off', detail };
  }
  const meant = suggest(uses, [...actions.known, ...actions.builtin]);
  const hint = meant === null ? '' : `; did you mean \`${meant}\`?`;
  const known = [...actions.known].sort().join(', ');
  const detail = `this server has no action \`${uses}\`, only ${known}; the step waits until a worker offers it${hint}`;
  return { code: 'unknown_action', detail };
}
