-- compatible: true
-- Jobs of a name and a status are found without a look at the other jobs of that name, of which there may be very many.
-- Instead of the index by name alone: whoever looks for a name goes over its statuses. Making it takes about three
-- seconds for a million jobs, during which jobs can be read but not written.

create index job_by_name_and_status on job (name, status, created_at, id);

drop index job_by_name;
