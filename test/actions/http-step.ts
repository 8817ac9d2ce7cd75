import type { Action, ActionOutcome } from '../../src/actions/action.ts';
import { checkRendered } from '../../src/actions/check-with.ts';
import { createHttp } from '../../src/actions/http/http.ts';
import type { Json } from '../../src/domain/json.ts';
import { open } from '../support/services.ts';

const CLAIM = {
  id: 'claim-1',
  job_id: '01a1fdc4-4b6c-711d-aa4d-b32854866b64',
  step: 'main',
  attempt: 2,
  retry_round: 0,
};

/** The action, with loopback admitted unless said otherwise. */
export function httpAction(allow = 'localhost'): Action {
  return createHttp(open(allow));
}

/** Runs a step with this rendered `with`, as the server would; gives how it ended and what is in its log. */
export async function runHttp(
  with_: Json,
  options: { action?: Action; signal?: AbortSignal; claim?: Partial<typeof CLAIM> } = {},
): Promise<{ outcome: ActionOutcome; log: string }> {
  const { action = httpAction(), signal = new AbortController().signal, claim } = options;
  let log = '';
  const outcome =
    checkRendered(action, with_) ??
    (await action.run(with_, {
      signal,
      log: (chunk) => {
        log += chunk;
      },
      progress() {},
      claim: { ...CLAIM, ...claim },
    }));
  return { outcome, log };
}

/** The output of a step that is to succeed, loosely typed. */
export async function outputOf(
  with_: Json,
  options?: Parameters<typeof runHttp>[1],
  // biome-ignore lint/suspicious/noExplicitAny: what the service said, looked into by the tests
): Promise<any> {
  const { outcome } = await runHttp(with_, options);
  if (outcome.kind !== 'succeeded') throw new Error(JSON.stringify(outcome));
  return outcome.output;
}
