-- Drops the functions of the job layer; their tables are gone by now.
drop function job_retry(uuid);
drop function job_cascade(uuid[]);
drop function job_unblock(uuid[]);
drop function job_place(uuid, text, integer);
drop type job_change;
drop function job_now();
