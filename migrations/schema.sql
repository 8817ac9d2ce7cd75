-- What the migrations make. Written by `npm run db:schema`; do not edit.

CREATE OR REPLACE FUNCTION public.label_keys(labels jsonb)
 RETURNS integer[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT COST 1
AS $function$
    select coalesce(array_agg(distinct get_byte(hash, 0) * 16 + get_byte(hash, 1) / 16), '{}')
    from jsonb_each_text(labels), sha256(convert_to(key || '=' || value, 'UTF8')) as hash
  $function$;

create table attempt (
  job_id uuid not null,
  ordinal integer not null,
  attempt integer not null,
  outcome text not null,
  error jsonb,
  claim_id uuid,
  claimed_by uuid,
  started_at timestamp with time zone,
  finished_at timestamp with time zone not null,
  settled boolean default false not null,
  constraint attempt_pkey PRIMARY KEY (job_id, ordinal, attempt),
  constraint attempt_outcome_known CHECK (outcome = ANY (ARRAY['succeeded'::text, 'failed'::text, 'timed_out'::text, 'lost'::text, 'released'::text, 'cancelled'::text]))
);

create table job (
  id uuid not null,
  name text not null,
  status text not null,
  reason text,
  version integer default 1 not null,
  priority smallint default 0 not null,
  labels jsonb default '{}'::jsonb not null,
  input jsonb,
  output jsonb,
  error jsonb,
  output_template jsonb,
  output_reads integer[],
  output_undecided boolean default false not null,
  definition_hash text not null,
  idempotency_key text,
  source jsonb default '{"kind": "api"}'::jsonb not null,
  max_parallel integer,
  fail_fast boolean default false not null,
  timeout_ms bigint not null,
  retry_round integer default 0 not null,
  hard_failures integer default 0 not null,
  progress double precision default 0 not null,
  running_progress double precision default 0 not null,
  steps_total integer not null,
  steps_pending integer default 0 not null,
  steps_ready integer default 0 not null,
  steps_running integer default 0 not null,
  steps_waiting integer default 0 not null,
  steps_succeeded integer default 0 not null,
  steps_failed integer default 0 not null,
  steps_skipped integer default 0 not null,
  steps_cancelled integer default 0 not null,
  created_at timestamp with time zone not null,
  run_at timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  deadline_at timestamp with time zone not null,
  constraint job_pkey PRIMARY KEY (id),
  constraint job_counters_add_up CHECK (steps_total = (steps_pending + steps_ready + steps_running + steps_waiting + steps_succeeded + steps_failed + steps_skipped + steps_cancelled)),
  constraint job_counters_not_negative CHECK (LEAST(steps_pending, steps_ready, steps_running, steps_waiting, steps_succeeded, steps_failed, steps_skipped, steps_cancelled, hard_failures) >= 0),
  constraint job_finished_when_terminal CHECK ((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL)),
  constraint job_nothing_open_when_terminal CHECK (finished_at IS NULL OR (steps_pending + steps_ready + steps_running + steps_waiting) = 0),
  constraint job_nothing_ready_when_held CHECK ((status <> ALL (ARRAY['scheduled'::text, 'paused'::text])) OR steps_ready = 0),
  constraint job_output_undecided_at_the_end CHECK (NOT output_undecided OR finished_at IS NULL AND output_template IS NOT NULL AND (steps_pending + steps_ready + steps_running + steps_waiting) = 0),
  constraint job_progress_is_a_fraction CHECK (progress >= 0::double precision AND progress <= 1::double precision),
  constraint job_started_when_running CHECK (status <> 'running'::text OR started_at IS NOT NULL),
  constraint job_status_known CHECK (status = ANY (ARRAY['scheduled'::text, 'queued'::text, 'running'::text, 'paused'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])),
  constraint job_within_max_parallel CHECK (max_parallel IS NULL OR (steps_ready + steps_running) <= max_parallel)
) with (
  autovacuum_vacuum_cost_delay=1,
  autovacuum_vacuum_scale_factor=0.02,
  fillfactor=70
);

CREATE INDEX job_by_age ON job USING btree (created_at, id);
CREATE INDEX job_by_label_key ON job USING gin (label_keys(labels));
CREATE INDEX job_by_name_and_status ON job USING btree (name, status, created_at, id);
CREATE INDEX job_by_status ON job USING btree (status, created_at, id);
CREATE INDEX job_deadline ON job USING btree (deadline_at) WHERE (finished_at IS NULL);
CREATE INDEX job_finished ON job USING btree (finished_at) WHERE (finished_at IS NOT NULL);
CREATE UNIQUE INDEX job_idempotency_key ON job USING btree (idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX job_output_undecided ON job USING btree (id) WHERE output_undecided;
CREATE INDEX job_scheduled ON job USING btree (run_at) WHERE ((status || ''::text) = 'scheduled'::text);

create table step (
  job_id uuid not null,
  ordinal integer not null,
  name text not null,
  uses text not null,
  queue text not null,
  priority smallint not null,
  needs integer[] not null,
  dependents integer[] not null,
  "if" text,
  if_uses_status boolean default false not null,
  if_reads integer[] default '{}'::integer[] not null,
  "with" jsonb,
  with_reads integer[],
  continue_on_error boolean not null,
  timeout_ms bigint not null,
  max_attempts smallint not null,
  max_losses smallint not null,
  backoff text not null,
  retry_delay_ms bigint not null,
  retry_max_delay_ms bigint not null,
  retry_jitter boolean not null,
  status text not null,
  reason text,
  unmet integer not null,
  undecided boolean default false not null,
  need_not_succeeded text,
  failed_above boolean default false not null,
  version integer default 1 not null,
  attempt integer default 0 not null,
  failures integer default 0 not null,
  losses integer default 0 not null,
  releases integer default 0 not null,
  claim_id uuid,
  claimed_by uuid,
  claim_expires_at timestamp with time zone,
  progress double precision,
  output jsonb,
  error jsonb,
  turn timestamp with time zone,
  ready_at timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  wake_at timestamp with time zone,
  claim_ttl_ms integer,
  claim_request text,
  constraint step_pkey PRIMARY KEY (job_id, ordinal),
  constraint step_job_id_fkey FOREIGN KEY (job_id) REFERENCES job(id) ON DELETE CASCADE,
  constraint step_backoff_known CHECK (backoff = ANY (ARRAY['exponential'::text, 'fixed'::text, 'linear'::text])),
  constraint step_claimed_only_while_running CHECK ((status = 'running'::text) = (claim_expires_at IS NOT NULL)),
  constraint step_finished_when_terminal CHECK ((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])) = (finished_at IS NOT NULL)),
  constraint step_has_a_turn_while_ready CHECK (status <> 'ready'::text OR turn IS NOT NULL AND ready_at IS NOT NULL),
  constraint step_need_not_succeeded_known CHECK (need_not_succeeded = ANY (ARRAY['need_failed'::text, 'need_skipped'::text])),
  constraint step_running_has_a_claim CHECK (status <> 'running'::text OR claim_id IS NOT NULL AND claimed_by IS NOT NULL AND started_at IS NOT NULL AND attempt > 0),
  constraint step_status_known CHECK (status = ANY (ARRAY['pending'::text, 'ready'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])),
  constraint step_undecided_only_while_pending CHECK (NOT undecided OR status = 'pending'::text AND unmet = 0 AND if IS NOT NULL),
  constraint step_unmet_not_negative CHECK (unmet >= 0),
  constraint step_waits_for_its_needs CHECK (unmet = 0 OR (status = ANY (ARRAY['pending'::text, 'cancelled'::text]))),
  constraint step_wakes_only_while_waiting CHECK ((status = 'waiting'::text) = (wake_at IS NOT NULL))
) with (
  autovacuum_vacuum_cost_delay=1,
  autovacuum_vacuum_scale_factor=0.02,
  fillfactor=70
);

CREATE INDEX step_claim_request ON step USING btree (claimed_by, claim_request) WHERE ((status = 'running'::text) AND (claim_request IS NOT NULL));
CREATE INDEX step_held ON step USING btree (job_id, ordinal) WHERE ((status = 'pending'::text) AND (unmet = 0) AND (NOT undecided));
CREATE INDEX step_ready ON step USING btree (queue, uses, priority DESC, turn) WHERE (status = 'ready'::text);
CREATE INDEX step_running ON step USING btree (claim_expires_at) WHERE (status = 'running'::text);
CREATE INDEX step_undecided ON step USING btree (job_id, ordinal) WHERE undecided;
CREATE INDEX step_waiting ON step USING btree (wake_at) WHERE (status = 'waiting'::text);

create table step_log (
  job_id uuid not null,
  ordinal integer not null,
  attempt integer not null,
  start integer not null,
  data bytea not null,
  logged_at timestamp with time zone default clock_timestamp() not null,
  constraint step_log_pkey PRIMARY KEY (job_id, ordinal, attempt, start),
  constraint step_log_chunk_size CHECK (octet_length(data) >= 1 AND octet_length(data) <= 65536)
) with (
  toast_tuple_target=256
);

create table worker (
  id uuid not null,
  kind text not null,
  name text not null,
  version text not null,
  uses text[] not null,
  queues text[],
  slots integer not null,
  lock_key integer generated always as identity not null,
  started_at timestamp with time zone default clock_timestamp() not null,
  last_seen_at timestamp with time zone default clock_timestamp() not null,
  labels jsonb default '{}'::jsonb not null,
  command text default 'run'::text not null,
  constraint worker_pkey PRIMARY KEY (id),
  constraint worker_command_known CHECK (command = ANY (ARRAY['run'::text, 'drain'::text, 'stop'::text])),
  constraint worker_kind_known CHECK (kind = ANY (ARRAY['server'::text, 'remote'::text])),
  constraint worker_slots_positive CHECK (slots > 0)
) with (
  fillfactor=10
);
