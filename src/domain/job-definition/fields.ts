import { suggest } from '../suggest.ts';

/** The fields of a job definition, place by place, and what other systems call them. */

export type Place = 'job' | 'defaults' | 'step' | 'retry';

/** The fields with which a job without `steps` describes its one step. */
export const SHORT_FORM = ['uses', 'with', 'if', 'retry', 'continue_on_error'] as const;

export const FIELDS: Record<Place, readonly string[]> = {
  job: [
    ...['name', 'input', 'labels', 'queue', 'priority', 'run_at', 'delay', 'timeout', 'max_parallel'],
    ...['fail_fast', 'defaults', 'steps', 'output', ...SHORT_FORM],
  ],
  defaults: ['timeout', 'retry'],
  step: [
    ...['name', 'needs', 'enables', 'if', 'uses', 'with', 'queue', 'timeout', 'retry'],
    'continue_on_error',
  ],
  retry: ['max_attempts', 'max_losses', 'backoff', 'delay', 'max_delay', 'jitter'],
};

export const PLACE_NAMES: Record<Place, string> = {
  job: 'a job',
  defaults: '`defaults`',
  step: 'a step',
  retry: '`retry`',
};

const TIMEOUTS =
  'timeout_seconds timeout_secs timeout_ms timeout_minutes time_limit execution_timeout max_duration';
const LANES = 'topic lane pool task_queue queue_name';
const VALUES = 'params parameters args arguments inputs payload data variables';

/** Spellings of others that have a field of ours with the same meaning; case, `_` and `-` aside. */
const RENAMED: Record<Place, Record<string, string>> = {
  job: {
    name: 'title job_name display_name id',
    input: `${VALUES} context`,
    labels: 'tags metadata annotations',
    queue: LANES,
    priority: 'weight prio',
    run_at: 'start_at starts_at scheduled_at schedule_at scheduled_for execute_at not_before eta start_time',
    delay: 'start_delay delay_seconds delay_ms countdown',
    timeout: `${TIMEOUTS} deadline`,
    max_parallel: 'concurrency max_concurrency parallelism parallel max_active_tasks max_workers',
    fail_fast: 'abort_on_failure stop_on_error stop_on_failure',
    defaults: 'default default_args',
    steps: 'tasks jobs nodes stages activities graph dag',
    output: 'outputs result results returns',
    uses: 'type action handler kind function operator executor task activity',
    if: 'when condition only_if run_if',
    continue_on_error: 'allow_failure ignore_errors ignore_failure continue_on_failure',
  },
  defaults: { timeout: TIMEOUTS, retry: 'retry_policy retry_strategy' },
  step: {
    name: 'id key title step step_name',
    needs: 'depends_on dependencies deps parents after requires upstream wait_for predecessors previous',
    enables: 'dependents children downstream before next then successors triggers',
    if: 'when condition cond only_if run_if',
    uses: 'type action handler kind function operator executor task activity plugin job_type',
    with: `${VALUES} input config options settings`,
    queue: LANES,
    timeout: `${TIMEOUTS} deadline`,
    retry: 'retry_policy retry_strategy retry_options',
    continue_on_error: 'allow_failure ignore_errors ignore_failure continue_on_failure soft_fail optional',
  },
  retry: {
    max_attempts: 'attempts tries max_tries maximum_attempts times count limit max',
    max_losses: 'losses max_crashes',
    backoff: 'strategy type policy mode backoff_type',
    delay: 'initial_delay initial_interval interval base_delay min_delay wait delay_ms delay_seconds',
    max_delay: 'max_interval maximum_interval max_backoff cap',
  },
};

const RETRIES = 'write `retry: {"max_attempts": 3}`, which counts executions, the first included';
const SPACING = 'write `retry: {"delay": "2s", "max_delay": "1m"}`';
const SHELL = 'write `uses: "shell"` with `with: {"run": "…"}`';
const ENV = 'values go into the `with` of a step: `with: {"run": "…", "env": {…}}`';
const ONCE = 'a job runs once, at once or at `run_at` or after `delay`';
const FACTOR = '`backoff: "exponential"` doubles the delay each time';
const ON_FAILURE = 'add a step with `if: "failure()"` that needs the steps to watch';
const EACH = 'a step runs once: write a step for each item';
const OF_JOB = 'it is a field of the job';
const OF_STEP = 'it is a field of a step';
const OF_RETRY = 'it belongs into `retry`';

/** Spellings that need a sentence instead of another name. */
const EXPLAINED: Record<Place, Record<string, string>> = {
  job: {
    'retries max_retries attempts max_attempts retry_count retry_limit': RETRIES,
    'retry_policy retry_delay backoff': 'write `defaults: {"retry": {…}}`, or `retry` on a step',
    'run command cmd script shell bash': SHELL,
    'env environment': ENV,
    'cron schedule every interval repeat': ONCE,
    'on_failure on_error': ON_FAILURE,
    'needs enables depends_on dependencies': OF_STEP,
    'idempotency_key request_id': 'send it as the header `Idempotency-Key`',
    wait: 'to wait for the result, ask with `?wait=30s` or the header `Prefer: wait=30`',
  },
  defaults: {
    queue: 'the `queue` of the job holds for all its steps',
    'retries max_retries max_attempts': RETRIES,
  },
  step: {
    'retries max_retries attempts max_attempts max_tries tries retry_count retry_limit': RETRIES,
    'retry_delay retry_backoff backoff max_delay jitter': SPACING,
    max_losses: OF_RETRY,
    'run command cmd script shell bash exec entrypoint': SHELL,
    'env environment': ENV,
    'priority labels run_at max_parallel fail_fast': OF_JOB,
    'output outputs':
      "a step's output is what its action gives; the `output` of the job may pick from `steps.<name>.output`",
    'delay start_delay':
      'a step starts when its needs have ended; to wait first, need a step with `uses: "wait"`',
    unless: 'write `if` with the opposite condition',
    'on_failure on_error': ON_FAILURE,
    'trigger_rule always_run': 'write `if: "always()"`, `if: "failure()"` or `if: "!failure()"`',
    'for_each foreach matrix loop with_items items': EACH,
    'cron schedule': ONCE,
    steps: 'steps do not nest: write them side by side, joined by `needs`',
  },
  retry: {
    'retries max_retries':
      'write `max_attempts`, which counts executions, the first included: 3 retries are `max_attempts: 4`',
    'factor multiplier exponent coefficient backoff_coefficient backoff_factor': FACTOR,
    timeout: 'it is a field of the step, and holds for one attempt',
  },
};

function fold(key: string): string {
  return key.toLowerCase().replaceAll(/[_-]/g, '');
}

function advice(place: Place): Map<string, string> {
  const table = new Map<string, string>();
  for (const [ours, theirs] of Object.entries(RENAMED[place])) {
    for (const spelling of theirs.split(' ')) table.set(fold(spelling), `did you mean \`${ours}\`?`);
  }
  for (const [theirs, sentence] of Object.entries(EXPLAINED[place])) {
    for (const spelling of theirs.split(' ')) table.set(fold(spelling), sentence);
  }
  return table;
}

const ADVICE: Record<Place, Map<string, string>> = {
  job: advice('job'),
  defaults: advice('defaults'),
  step: advice('step'),
  retry: advice('retry'),
};

/** What to say about a key that is no field of its place: the field that was meant, or those that there are. */
export function describeUnknownField(place: Place, key: string): string {
  const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key;
  return `\`${shown}\` is not a field; ${adviseOn(place, key)}`;
}

function adviseOn(place: Place, key: string): string {
  const same = FIELDS[place].find((field) => fold(field) === fold(key));
  if (same !== undefined) return `did you mean \`${same}\`?`;
  const known = ADVICE[place].get(fold(key));
  if (known !== undefined) return known;
  const near = suggest(key, FIELDS[place]);
  if (near !== null) return `did you mean \`${near}\`?`;
  return `${PLACE_NAMES[place]} has ${FIELDS[place].map((field) => `\`${field}\``).join(', ')}`;
}
