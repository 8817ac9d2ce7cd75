import { Type } from 'typebox';
import type { Action } from './action.ts';

/** Gives its `with` as its output: glue, and fan-in over many needs. */
export const value: Action = {
  uses: 'value',
  summary: 'Succeeds at once with its rendered `with`, any JSON, as the output.',
  with: Type.Unknown({ description: 'Any JSON; may be one whole expression, which keeps its type.' }),
  instant: true,
  async run(with_) {
    return { kind: 'succeeded', output: with_ };
  },
};
