import type { JobDefinition, Step } from '../../client/src/index.ts';

type Steps = NonNullable<JobDefinition['steps']>;
type StepStatus = Step['status'];

/** What the client does with a job besides submitting it. */
export type Care = 'none' | 'cancel' | 'pause' | 'retry' | 'delete';

/** A kind of job: what it is made of, what its client does with it, and how it must have ended. */
export interface Shape {
  steps: Steps;
  more?: Partial<JobDefinition>;
  care: Care;
  /** How the job must end; a job that is cancelled while it runs may also have been done before. */
  ends: readonly ('succeeded' | 'failed' | 'cancelled')[];
  /** By step, how it must end when the job does so by itself; those left out must have succeeded. */
  statuses?: Readonly<Record<string, StepStatus>>;
}

/** Reads the outputs of all needs, so that each result carries whose results it was made of. */
const ABOVE = '${{ needs.map(need, need.output.claim) }}';
const echo = { uses: 'echo', with: { above: ABOVE } };

/** One step, so many that need it, and one that needs those. */
function fan(width: number): Steps {
  const middle = Array.from({ length: width }, (_, i) => ({ name: `m${i}`, needs: ['first'], ...echo }));
  const needs = middle.map(({ name }) => name);
  return [{ name: 'first', uses: 'echo' }, ...middle, { name: 'last', needs, ...echo }];
}

/** Remote steps and steps of the servers' own pools in turn, with a condition and a timer on the way. */
const CHAIN: Steps = [
  { name: 'a', uses: 'echo' },
  { name: 'b', needs: ['a'], uses: 'value', with: { claim: '${{ steps.a.output.claim }}' } },
  { name: 'c', needs: ['b'], ...echo },
  { name: 'd', needs: ['c'], uses: 'wait', with: { for: '300ms' } },
  { name: 'e', needs: ['d'], if: "steps.c.output.claim != ''", uses: 'echo' },
  { name: 'f', needs: ['e'], ...echo },
];

/** Enters itself into the ledger of the shells, then takes its time. */
function shell(ledger: string): Steps[number] {
  const line = '{"kind":"begun","worker":"shell","at":%s,"claim":"%s","attempt":%s}\\n';
  const run = [
    `printf '${line}' "$(date +%s%3N)" "$HOLDFAST_CLAIM_ID" "$HOLDFAST_ATTEMPT" >> "$LEDGER"`,
    'sleep 0.3',
    `printf '{"claim":"%s"}' "$HOLDFAST_CLAIM_ID"`,
  ].join('\n');
  return { name: 'shell', uses: 'shell', with: { run, env: { LEDGER: ledger } } };
}

/** Steps that take their time, in the servers and in the workers, one of them at its second attempt. */
function slow(ledger: string): Steps {
  return [
    shell(ledger),
    { name: 'nap', uses: 'nap', with: { seconds: 0.4 } },
    { name: 'unlucky', uses: 'unlucky', retry: { max_attempts: 30, delay: 0 } },
    { name: 'end', needs: ['shell', 'nap', 'unlucky'], uses: 'echo' },
  ];
}

/** Failures that are tolerated, and one that is not: what runs and what is skipped after each. */
function failing(isTolerated: boolean): Steps {
  return [
    { name: 'good', uses: 'echo' },
    {
      name: 'bad',
      needs: ['good'],
      uses: 'fail',
      continue_on_error: isTolerated,
      retry: { max_attempts: 1 },
    },
    { name: 'after', needs: ['bad'], uses: 'echo' },
    { name: 'repair', needs: ['bad'], if: 'failure()', uses: 'echo' },
    { name: 'clear-up', needs: ['after', 'repair'], if: 'always()', uses: 'echo' },
  ];
}

/** Fails in about every second round, so that somebody has to retry it by hand; what succeeded must not run again. */
const SECOND_ROUND: Steps = [
  { name: 'kept', uses: 'echo' },
  { name: 'odd', needs: ['kept'], uses: 'odd', retry: { max_attempts: 1 } },
  { name: 'then', needs: ['odd'], ...echo },
];

/** Long enough to be stopped on the way. */
function long(): Steps {
  const naps = Array.from({ length: 4 }, (_, i) => ({
    name: `n${i}`,
    ...(i === 0 ? {} : { needs: [`n${i - 1}`] }),
    uses: 'nap',
    with: { seconds: 0.3 },
  }));
  return [...naps, { name: 'end', needs: ['n3'], uses: 'echo' }];
}

const loose: Steps = Array.from({ length: 30 }, (_, i) => ({ name: `l${i}`, uses: 'echo' }));

/** All shapes, `ledger` being where shell steps enter themselves. */
export function shapesOf(ledger: string): readonly Shape[] {
  const plain = (steps: Steps, more: Partial<JobDefinition> = {}): Shape => ({
    ...{ steps, more, care: 'none', ends: ['succeeded'] },
  });
  return [
    plain(fan(8)),
    plain(CHAIN),
    plain(loose, { max_parallel: 8 }),
    plain(slow(ledger)),
    plain(fan(16), { priority: 1 }),
    plain([{ name: 'only', uses: 'echo' }]),
    { ...plain(failing(true)), statuses: { bad: 'failed', repair: 'skipped' } },
    { ...plain(failing(false)), ends: ['failed'], statuses: { bad: 'failed', after: 'skipped' } },
    { ...plain(SECOND_ROUND), care: 'retry' },
    { ...plain(long()), care: 'cancel', ends: ['cancelled', 'succeeded'] },
    { ...plain(long()), care: 'pause' },
    { ...plain(fan(4)), care: 'delete' },
  ];
}

/** The job of this number: the shapes come round in turn. Its name says its shape. */
export function jobOf(number: number, shapes: readonly Shape[]): JobDefinition {
  const index = number % shapes.length;
  const { steps, more } = shapes[index] as Shape;
  return { name: `storm-${number}-${index}`, ...more, steps };
}

/** Which shape a job has, by its name. */
export function shapeIndexOf(name: string): number {
  return Number(name.split('-').at(-1));
}
