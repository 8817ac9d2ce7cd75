import type { Scope } from './expression/evaluate.ts';
import type { Json } from './json.ts';

interface Seen {
  ordinal: number;
  name: string;
  status: string;
  output: Json;
}

/** What an expression of one step may see: the job, and of its steps those that the expression reads. */
export function scopeOf(jobId: string, input: Json, read: readonly Seen[], needs: readonly number[]): Scope {
  const byOrdinal = new Map(read.map((step) => [step.ordinal, step]));
  return {
    job: { id: jobId },
    input,
    steps: Object.fromEntries(read.map(({ name, status, output }) => [name, { status, output }])),
    needs: needs.flatMap((ordinal) => {
      const step = byOrdinal.get(ordinal);
      return step ? [{ name: step.name, status: step.status, output: step.output }] : [];
    }),
  };
}
