-- Workers beyond the servers' own pools: who they are, and what a claim remembers of how it was asked for.

alter table worker
  add column labels jsonb not null default '{}',
  -- What the next heartbeat tells it.
  add column command text not null default 'run',
  add constraint worker_command_known check (command in ('run', 'drain', 'stop')),
  drop constraint worker_kind_known,
  add constraint worker_kind_known check (kind in ('server', 'remote'));

alter table step
  -- How long an extend that names no ttl makes the claim last; null for the pools of servers, which always name it.
  add column claim_ttl_ms integer,
  -- The `request_id` under which the current or last claim was asked for.
  add column claim_request text;

-- It had settled its step, which was then opened again by hand: a worker that asks anew gets the answer it got then.
alter table attempt add column settled boolean not null default false;

-- The same request again, after an answer that was lost, gets the claims that it got before.
create index step_claim_request on step (claimed_by, claim_request)
  where status = 'running' and claim_request is not null;
