import type { JsonObject } from '../../../src/domain/json.ts';
import { submitBatch } from '../../../src/operations/submit-batch.ts';
import { submitJob } from '../../../src/operations/submit-job.ts';
import { normal } from '../../../test/engine/work.ts';
import { scenario } from '../scenario.ts';
import { step } from './situation.ts';

interface Submit {
  definition: JsonObject;
  key?: string;
}

const GRAPH = {
  name: 'graph',
  steps: [step('a'), step('b', ['a']), step('c', ['a']), step('d', ['b', 'c'])],
};

const one = (store: Parameters<typeof submitJob>[0], { definition, key }: Submit) =>
  submitJob(store, normal(definition), { requestHash: 'hash', idempotencyKey: key });

interface Batch {
  definitions: JsonObject[];
  key?: string;
}

const many = (store: Parameters<typeof submitBatch>[0], { definitions, key }: Batch) =>
  submitBatch(store, definitions.map(normal), { requestHash: 'hash', idempotencyKey: key });

const THREE = ['first', 'second', 'third'].map((name) => ({ name, steps: [step('a'), step('b', ['a'])] }));

/** So many steps that each takes a statement of its own. */
const LARGE = ['first', 'second'].map((name) => ({
  name,
  steps: Array.from({ length: 2_100 }, (_, index) => step(`s${index}`)),
}));

async function replayed(answer: Promise<{ replayed: boolean }>): Promise<void> {
  if (!(await answer).replayed) throw new Error('it was not answered with what was there already');
}

export const submits = [
  scenario<Submit>({
    name: 'submit: a job',
    prepare: async () => ({ definition: GRAPH }),
    run: one,
  }),
  scenario<Submit>({
    name: 'submit: a job with a key',
    prepare: async () => ({ definition: GRAPH, key: 'key' }),
    run: one,
    again: one,
  }),
  scenario<Submit>({
    name: 'submit: a job for later, with a key',
    prepare: async () => ({ definition: { ...GRAPH, delay: '1h' }, key: 'key' }),
    run: one,
    again: one,
  }),
  scenario<Submit>({
    name: 'submit: the same key again',
    commits: 0,
    async prepare(store) {
      const request = { definition: GRAPH, key: 'key' };
      await one(store, request);
      return request;
    },
    run: one,
    again: (store, request) => replayed(one(store, request)),
  }),
  scenario<Batch>({
    name: 'submit: a batch',
    prepare: async () => ({ definitions: THREE }),
    run: many,
  }),
  scenario<Batch>({
    name: 'submit: a batch with a key',
    prepare: async () => ({ definitions: THREE, key: 'key' }),
    run: many,
    again: many,
  }),
  scenario<Batch>({
    name: 'submit: a batch of two statements, with a key',
    large: true,
    prepare: async () => ({ definitions: LARGE, key: 'key' }),
    run: many,
    again: many,
  }),
  scenario<Batch>({
    name: 'submit: the same batch again',
    commits: 0,
    async prepare(store) {
      const request = { definitions: THREE, key: 'key' };
      await many(store, request);
      return request;
    },
    run: many,
    again: (store, request) => replayed(many(store, request)),
  }),
];
