-- The core: jobs, their steps, what became of each attempt, step logs, and who works.
--
-- How to read it: `job` is locked first, always; whoever holds the lock may move the job's steps. Counters on `job`
-- say what a scan of its steps would say. `version` grows by one whenever something visible in the job changes.

create table job (
  id                uuid primary key,
  name              text not null,
  status            text not null,
  reason            text,
  version           integer not null default 1,
  priority          smallint not null default 0,
  labels            jsonb not null default '{}',
  input             jsonb,
  output            jsonb,
  error             jsonb,
  -- The `output` of the definition, a template; null when there is none. Evaluated once nothing is open.
  output_template   jsonb,
  output_reads      integer[],
  output_undecided  boolean not null default false,
  -- Of the request that made the job: tells a repeat under the same idempotency key from a different one.
  definition_hash   text not null,
  idempotency_key   text,
  source            jsonb not null default '{"kind": "api"}',
  max_parallel      integer,
  fail_fast         boolean not null default false,
  timeout_ms        bigint not null,
  retry_round       integer not null default 0,
  -- Failed steps without `continue_on_error`: one of them fails the job.
  hard_failures     integer not null default 0,
  -- Progress: the high-water mark, and the sum of what running steps report.
  progress          double precision not null default 0,
  running_progress  double precision not null default 0,
  steps_total       integer not null,
  steps_pending     integer not null default 0,
  steps_ready       integer not null default 0,
  steps_running     integer not null default 0,
  steps_waiting     integer not null default 0,
  steps_succeeded   integer not null default 0,
  steps_failed      integer not null default 0,
  steps_skipped     integer not null default 0,
  steps_cancelled   integer not null default 0,
  created_at        timestamptz not null,
  run_at            timestamptz,
  started_at        timestamptz,
  finished_at       timestamptz,
  deadline_at       timestamptz not null,

  constraint job_status_known check (status in
    ('scheduled', 'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),
  constraint job_finished_when_terminal check
    ((status in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)),
  constraint job_nothing_open_when_terminal check
    (finished_at is null or steps_pending + steps_ready + steps_running + steps_waiting = 0),
  constraint job_nothing_ready_when_held check (status not in ('scheduled', 'paused') or steps_ready = 0),
  constraint job_started_when_running check (status <> 'running' or started_at is not null),
  constraint job_counters_add_up check (steps_total = steps_pending + steps_ready + steps_running + steps_waiting
    + steps_succeeded + steps_failed + steps_skipped + steps_cancelled),
  constraint job_counters_not_negative check (least(steps_pending, steps_ready, steps_running, steps_waiting,
    steps_succeeded, steps_failed, steps_skipped, steps_cancelled, hard_failures) >= 0),
  constraint job_within_max_parallel check (max_parallel is null or steps_ready + steps_running <= max_parallel),
  constraint job_output_undecided_at_the_end check (not output_undecided or (finished_at is null
    and output_template is not null and steps_pending + steps_ready + steps_running + steps_waiting = 0)),
  constraint job_progress_is_a_fraction check (progress between 0 and 1)
) with (
  -- A job row is rewritten at every settle; room in the page keeps that a HOT update.
  fillfactor = 70,
  -- Dead versions pile up a thousand times faster than jobs: vacuum by a small, constant share.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 1
);

create unique index job_idempotency_key on job (idempotency_key) where idempotency_key is not null;
create index job_by_age on job (created_at, id);
create index job_by_status on job (status, created_at, id);
create index job_by_name on job (name, created_at, id);
create index job_by_label on job using gin (labels jsonb_path_ops);
create index job_finished on job (finished_at) where finished_at is not null;
create index job_scheduled on job (run_at) where status = 'scheduled';
create index job_deadline on job (deadline_at) where finished_at is null;
create index job_output_undecided on job (id) where output_undecided;

create table step (
  job_id              uuid not null references job (id) on delete cascade,
  ordinal             integer not null,
  name                text not null,
  uses                text not null,
  queue               text not null,
  priority            smallint not null,
  -- The definition, as it was at submit. `*_reads`: the ordinals whose outputs the expressions read;
  -- `with_reads` is null when `with` holds no expression.
  needs               integer[] not null,
  dependents          integer[] not null,
  "if"                text,
  if_uses_status      boolean not null default false,
  if_reads            integer[] not null default '{}',
  "with"              jsonb,
  with_reads          integer[],
  continue_on_error   boolean not null,
  timeout_ms          bigint not null,
  max_attempts        smallint not null,
  max_losses          smallint not null,
  backoff             text not null,
  retry_delay_ms      bigint not null,
  retry_max_delay_ms  bigint not null,
  retry_jitter        boolean not null,
  -- Where it stands in the graph. `need_not_succeeded` says how the direct needs let it down, if they did;
  -- `failed_above`: some ancestor failed for good.
  status              text not null,
  reason              text,
  unmet               integer not null,
  undecided           boolean not null default false,
  need_not_succeeded  text,
  failed_above        boolean not null default false,
  version             integer not null default 1,
  -- The current attempt.
  attempt             integer not null default 0,
  failures            integer not null default 0,
  losses              integer not null default 0,
  releases            integer not null default 0,
  claim_id            uuid,
  claimed_by          uuid,
  claim_expires_at    timestamptz,
  progress            double precision,
  output              jsonb,
  error               jsonb,
  turn                timestamptz,
  ready_at            timestamptz,
  started_at          timestamptz,
  finished_at         timestamptz,
  wake_at             timestamptz,

  primary key (job_id, ordinal),
  constraint step_name_unique_in_job unique (job_id, name),
  constraint step_status_known check (status in
    ('pending', 'ready', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled')),
  constraint step_backoff_known check (backoff in ('exponential', 'fixed', 'linear')),
  constraint step_claimed_only_while_running check ((status = 'running') = (claim_expires_at is not null)),
  constraint step_running_has_a_claim check (status <> 'running'
    or (claim_id is not null and claimed_by is not null and started_at is not null and attempt > 0)),
  constraint step_wakes_only_while_waiting check ((status = 'waiting') = (wake_at is not null)),
  constraint step_finished_when_terminal check
    ((status in ('succeeded', 'failed', 'skipped', 'cancelled')) = (finished_at is not null)),
  constraint step_has_a_turn_while_ready check (status <> 'ready' or (turn is not null and ready_at is not null)),
  constraint step_unmet_not_negative check (unmet >= 0),
  constraint step_waits_for_its_needs check (unmet = 0 or status in ('pending', 'cancelled')),
  constraint step_undecided_only_while_pending check
    (not undecided or (status = 'pending' and unmet = 0 and "if" is not null)),
  constraint step_need_not_succeeded_known check (need_not_succeeded in ('need_failed', 'need_skipped'))
) with (
  -- Three or four versions of each step are written in quick succession: leave room for them beside the first.
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 1
);

-- What a claim reads: only rows that may be taken now, in the order in which they are taken.
create index step_ready on step (queue, uses, priority desc, turn) where status = 'ready';
create index step_running on step (claim_expires_at) where status = 'running';
create index step_waiting on step (wake_at) where status = 'waiting';
create index step_held on step (job_id, ordinal) where status = 'pending' and unmet = 0 and not undecided;
create index step_undecided on step (job_id, ordinal) where undecided;

-- Attempts that ended without settling their step, or whose step was opened again by hand. The success path
-- writes no row here: the step row itself holds the current attempt.
-- No foreign key to step: with one, deleting jobs took eight times as long; deletes name this table themselves.
create table attempt (
  job_id       uuid not null,
  ordinal      integer not null,
  attempt      integer not null,
  outcome      text not null,
  error        jsonb,
  claim_id     uuid,
  claimed_by   uuid,
  started_at   timestamptz,
  finished_at  timestamptz not null,
  primary key (job_id, ordinal, attempt),
  constraint attempt_outcome_known check (outcome in
    ('succeeded', 'failed', 'timed_out', 'lost', 'released', 'cancelled'))
);

-- Log bytes, in chunks of at most 64 KB that follow each other without a gap; no foreign key, as above.
create table step_log (
  job_id     uuid not null,
  ordinal    integer not null,
  attempt    integer not null,
  start      integer not null,
  data       bytea not null,
  logged_at  timestamptz not null default clock_timestamp(),
  primary key (job_id, ordinal, attempt, start),
  constraint step_log_chunk_size check (octet_length(data) between 1 and 65536)
) with (
  -- Written once, read seldom: let the toaster compress early, and move it out of the way of scans.
  toast_tuple_target = 256
);

create table worker (
  id            uuid primary key,
  kind          text not null,
  name          text not null,
  version       text not null,
  uses          text[] not null,
  -- Null: every queue.
  queues        text[],
  slots         integer not null,
  -- The session advisory lock that a living server holds.
  lock_key      integer generated always as identity,
  started_at    timestamptz not null default clock_timestamp(),
  last_seen_at  timestamptz not null default clock_timestamp(),
  constraint worker_kind_known check (kind in ('server')),
  constraint worker_slots_positive check (slots > 0)
) with (
  -- One row a server, rewritten twice a second.
  fillfactor = 10
);
