-- compatible: true
-- The index of labels grew with every label that there ever was: PostgreSQL never takes a key out of a GIN index, and
-- labels often hold ids. Now each label is one of 4096 keys, and what is found by them is compared with the labels.

-- Its cost is said to be small because hardly a row is asked for it: those whose labels are others are left before.
create function label_keys(labels jsonb) returns integer[]
  language sql immutable strict parallel safe cost 1
  as $$
    select coalesce(array_agg(distinct get_byte(hash, 0) * 16 + get_byte(hash, 1) / 16), '{}')
    from jsonb_each_text(labels), sha256(convert_to(key || '=' || value, 'UTF8')) as hash
  $$;

-- Of all jobs: the planner does not ask the statistics of a part how common a label is.
create index job_by_label_key on job using gin (label_keys(labels));

drop index job_by_label;

-- Without them it takes every label for a rare one, and reads all jobs of a common one for each page.
analyze job;
