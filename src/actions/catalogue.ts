import type { ActionChecks } from '../domain/job-definition/actions.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { Action } from './action.ts';
import { checkWith } from './check-with.ts';
import { createHttp } from './http/http.ts';
import { createShell } from './shell/shell.ts';
import { value } from './value.ts';
import { wait } from './wait.ts';

/** The names of all built-in actions, on or off: tells "switched off" from "unknown here". */
export const ALL_ACTIONS: readonly string[] = ['value', 'wait', 'http', 'shell'];

/** The actions that are on in this server, by the name that `uses` gives. */
export type Catalogue = ReadonlyMap<string, Action>;

/**
 * Makes the catalogue. `actions` names what is on (`ACTIONS`; a name that is none of `ALL_ACTIONS` throws),
 * `environment` is the server's environment, of which scripts see `PATH`, `HOME`, `LANG` and the names in
 * `shellEnv` (`SHELL_ENV`); `outbound` is the way to the outside, which stays the caller's to close.
 */
export function createCatalogue(options: {
  actions: readonly string[];
  shellEnv: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  outbound: Pick<Outbound, 'send'>;
}): Catalogue {
  const { actions, shellEnv, environment, outbound } = options;
  const unknown = actions.find((name) => !ALL_ACTIONS.includes(name));
  if (unknown !== undefined) throw new RangeError(`there is no built-in action "${unknown}"`);
  const all = [value, wait, createHttp(outbound), createShell({ environment, allowed: shellEnv })];
  return new Map(
    all.filter((action) => actions.includes(action.uses)).map((action) => [action.uses, action]),
  );
}

/** What submit asks of the catalogue. */
export function actionChecks(catalogue: Catalogue): ActionChecks {
  return {
    known: new Set(catalogue.keys()),
    builtin: new Set(ALL_ACTIONS),
    checkWith(uses, template, pointer) {
      const action = catalogue.get(uses);
      return action ? checkWith(action, template, pointer) : [];
    },
  };
}
