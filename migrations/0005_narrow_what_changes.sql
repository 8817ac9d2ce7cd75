-- compatible: true
-- Less to write at each move of a step. It needs no look at the rows of steps.

-- Each move made an entry in this index, and only a look at one step by its name read it: that goes over the steps of its
-- job now. That names differ is seen to where a definition is read, before anything is stored.
alter table step drop constraint step_name_unique_in_job;

-- By a condition that no other index has: where statistics know of no scheduled job, the index by status seemed as good,
-- and each look for what is due went through all that is not.
drop index job_scheduled;
create index job_scheduled on job (run_at) where status || '' = 'scheduled';
