-- compatible: true
-- The index of labels grew with every label that there ever was: PostgreSQL never takes a key out of a GIN index, and
-- labels often hold ids. Now each label is one of 4096 keys, and what is found by them is compared with the labels.

create function label_keys(labels jsonb) returns integer[]
  language sql immutable strict parallel safe
  as $$
    select coalesce(array_agg(distinct ('x' || left(md5(key || '=' || value), 3))::bit(12)::integer), '{}')
    from jsonb_each_text(labels)
  $$;

create index job_by_label_key on job using gin (label_keys(labels)) where labels <> '{}';

drop index job_by_label;
