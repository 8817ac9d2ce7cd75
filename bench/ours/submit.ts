import { VoidTry } from '../measure/figures.ts';
import type { BenchServer } from '../server.ts';
import { type Bench, clear } from './bench.ts';
import { type Definition, databaseNow, named, numberOf, submitBatches, submitSingly } from './run-jobs.ts';
import { type Shape, smallShapes } from './shapes-of.ts';

const CLIENTS = 10;
// Far enough ahead that nothing runs meanwhile: what is measured is the submit alone.
const LATER = { delay: '1d' };

/** Jobs a second that are taken in, while nothing runs: one a request by ten clients, and in batches. */
export async function measureSubmit(bench: Bench): Promise<void> {
  const server = await bench.warm();
  for (const shape of smallShapes(bench.sizes)) {
    await bench.measure([{ what: `${shape.name}, one a request`, unit: 'jobs/s' }], () =>
      submitted(server, shape, (own) => submitSingly(server, own, shape.jobs, CLIENTS)),
    );
    await bench.measure([{ what: `${shape.name}, in batches`, unit: 'jobs/s' }], () =>
      submitted(server, shape, (own) => submitBatches(server.url, own, shape.jobs)),
    );
  }
}

async function submitted(
  server: BenchServer,
  shape: Shape,
  submit: (own: Definition) => Promise<void>,
): Promise<number[]> {
  const { jobs, ...definition } = shape;
  const own = named(definition);
  const from = await databaseNow(server);
  await submit({ ...own, ...LATER });
  const ms = (await databaseNow(server)) - from;
  const stored = await numberOf(server, 'select count(*) from job where name = $1', [own.name]);
  if (stored !== jobs) throw new VoidTry(`${stored} jobs are stored instead of ${jobs}`);
  await clear(server);
  return [(jobs * 1000) / ms];
}
