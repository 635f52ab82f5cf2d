-- Functions of the job layer. VOLATILE plpgsql on purpose: each statement inside takes a fresh snapshot, so that what
-- reads job_dependencies after a state change sees the dependents that committed while a row lock was waited for.
-- Lock order everywhere: dependencies before dependents, one level at a time, order by id.

-- The only clock that decisions read. Tests replace it.
create function job_now() returns timestamptz
language sql volatile as $$ select clock_timestamp() $$;

-- One event with what its announcement needs: the channel of the project, and the bell of the lane.
create type job_change as (
  job_id uuid, project_id uuid, lane text, seq integer, at timestamptz, type text, attempt integer, data jsonb
);

-- Virtual time of a job that becomes queued: the place of its project in the lane, minus 5 minutes a step of priority.
-- No lock and no wall clock; sees the rows placed before it in the same statement.
create function job_place(p_project uuid, p_lane text, p_priority integer) returns timestamptz
language plpgsql volatile as $$
declare
  step constant interval := p_priority * interval '5 minutes';
  lane_now timestamptz;
  last_end timestamptz;
begin
  select l.virtual_now into lane_now from lanes l where l.name = p_lane;
  if p_project is null then  -- "is not distinct from" would not use the index
    select j.due + j.cost * interval '1 second' into last_end from jobs j
    where j.project_id is null and j.lane = p_lane and j.priority = p_priority and j.status = 'QUEUED'
    order by j.due desc limit 1;
  else
    select j.due + j.cost * interval '1 second' into last_end from jobs j
    where j.project_id = p_project and j.lane = p_lane and j.priority = p_priority and j.status = 'QUEUED'
    order by j.due desc limit 1;
  end if;
  return greatest(lane_now, last_end + step) - step;
end $$;

-- The jobs p_ids have succeeded: each of their dependents has that many fewer to wait for.
create function job_unblock(p_ids uuid[]) returns setof job_change
language plpgsql volatile as $$
declare
  t constant timestamptz := job_now();
begin
  if coalesce(cardinality(p_ids), 0) = 0 then
    return;
  end if;
  perform 1 from jobs
  where id in (select d.job_id from job_dependencies d where d.dependency_id = any (p_ids))
  order by id for update;

  return query
  with x as (
    select d.job_id, count(*)::integer as n from job_dependencies d
    where d.dependency_id = any (p_ids) group by d.job_id
  ), y as (
    select j.id, x.n, case
      when j.status = 'BLOCKED' and j.dependencies_left = x.n
      then case when j.run_at > t then 'SCHEDULED' else 'QUEUED' end end as becomes
    from x join jobs j on j.id = x.job_id
  ), u as (
    update jobs j set
      dependencies_left = j.dependencies_left - y.n,
      status = coalesce(y.becomes, j.status),
      due = case when y.becomes = 'QUEUED' then coalesce(j.due, job_place(j.project_id, j.lane, j.priority))
            else j.due end,
      seq = j.seq + (y.becomes is not null)::integer
    from y where j.id = y.id
    returning j.id, j.project_id, j.lane, j.seq, j.attempt, y.becomes,
      jsonb_build_object('status', j.status, 'reason', 'UNBLOCKED') as data
  ), e as (
    insert into job_events (job_id, seq, at, type, attempt, data)
    select u.id, u.seq, t, u.becomes, u.attempt, u.data from u where u.becomes is not null
  )
  select u.id, u.project_id, u.lane::text, u.seq, t, u.becomes, u.attempt, u.data from u where u.becomes is not null;
end $$;

-- The jobs p_ids have failed or were cancelled: what requires them is cancelled, transitively; for what merely waits
-- for their end they count as settled.
create function job_cascade(p_ids uuid[]) returns setof job_change
language plpgsql volatile as $$
declare
  t constant timestamptz := job_now();
  ids uuid[] := p_ids;
  changes job_change[];
begin
  while cardinality(ids) > 0 loop
    perform 1 from jobs
    where id in (select d.job_id from job_dependencies d where d.dependency_id = any (ids))
    order by id for update;

    with x as (
      select d.job_id, bool_or(d.is_required) as is_bad, (count(*) filter (where not d.is_required))::integer as n,
        (array_agg(d.dependency_id order by d.dependency_id) filter (where d.is_required))[1] as cause
      from job_dependencies d where d.dependency_id = any (ids) group by d.job_id
    ), y as (
      select j.id, x.n, x.cause, case
        when j.status <> 'BLOCKED' then null
        when x.is_bad then 'CANCELLED'
        when j.dependencies_left = x.n then case when j.run_at > t then 'SCHEDULED' else 'QUEUED' end end as becomes
      from x join jobs j on j.id = x.job_id
    ), u as (
      update jobs j set
        dependencies_left = j.dependencies_left - y.n,
        status = coalesce(y.becomes, j.status),
        cancel_reason = case when y.becomes = 'CANCELLED' then 'DEPENDENCY' else j.cancel_reason end,
        cancelled_by_id = case when y.becomes = 'CANCELLED' then y.cause else j.cancelled_by_id end,
        finished_at = case when y.becomes = 'CANCELLED' then t else j.finished_at end,
        due = case when y.becomes = 'QUEUED' then coalesce(j.due, job_place(j.project_id, j.lane, j.priority))
              else j.due end,
        seq = j.seq + (y.becomes is not null)::integer
      from y where j.id = y.id
      returning j.id, j.project_id, j.lane, j.seq, j.attempt, y.becomes, case
        when y.becomes = 'CANCELLED'
        then jsonb_build_object('status', j.status, 'reason', 'DEPENDENCY', 'cancelled_by_id', y.cause)
        else jsonb_build_object('status', j.status, 'reason', 'UNBLOCKED') end as data
    ), e as (
      insert into job_events (job_id, seq, at, type, attempt, data)
      select u.id, u.seq, t, u.becomes, u.attempt, u.data from u where u.becomes is not null
    )
    select array_agg((u.id, u.project_id, u.lane, u.seq, t, u.becomes, u.attempt, u.data)::job_change),
      array_agg(u.id) filter (where u.becomes = 'CANCELLED')
    into changes, ids from u where u.becomes is not null;

    return query select * from unnest(changes);
  end loop;
end $$;

-- Runs a job again that failed or was cancelled, and brings back what was cancelled because of it. No row: refused
-- (it is not over, succeeded, requires a job that failed or was cancelled, or a live job has its dedupe_key).
create function job_retry(p_id uuid) returns setof job_change
language plpgsql volatile as $$
declare
  t constant timestamptz := job_now();
  ids uuid[];
  changes job_change[];
begin
  perform 1 from jobs
  where id in (select d.dependency_id from job_dependencies d where d.job_id = p_id)
  order by id for share;

  with u as (
    update jobs j set
      status = case when j.dependencies_left > 0 then 'BLOCKED' else 'QUEUED' end,
      due = case when j.dependencies_left > 0 then null else job_place(j.project_id, j.lane, j.priority) end,
      failures = 0, losses = 0, run_at = null, finished_at = null, ended_by = null, cancel_requested_at = null,
      cancel_reason = null, cancelled_by_id = null, error = null, error_code = null, result = null, progress = 0,
      stage = null, processed_ms = null, total_ms = null, seq = j.seq + 1
    where j.id = p_id and j.status in ('FAILED', 'CANCELLED')
      and not exists (
        select from job_dependencies d join jobs p on p.id = d.dependency_id
        where d.job_id = j.id and d.is_required and p.status in ('FAILED', 'CANCELLED'))
      and not exists (
        select from jobs o
        where o.dedupe_key = j.dedupe_key and o.status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING'))
    returning j.id, j.project_id, j.lane, j.seq, j.attempt, jsonb_build_object('status', j.status) as data
  ), e as (
    insert into job_events (job_id, seq, at, type, attempt, data)
    select u.id, u.seq, t, 'RETRIED', u.attempt, u.data from u
  )
  select array_agg((u.id, u.project_id, u.lane, u.seq, t, 'RETRIED', u.attempt, u.data)::job_change), array_agg(u.id)
  into changes, ids from u;
  return query select * from unnest(changes);

  while cardinality(ids) > 0 loop
    perform 1 from jobs
    where id in (
      select p.dependency_id from job_dependencies p
      where p.job_id in (
        select c.id from jobs c join job_dependencies d on d.job_id = c.id
        where d.dependency_id = any (ids) and d.is_required
          and c.status = 'CANCELLED' and c.cancel_reason = 'DEPENDENCY'))
    order by id for share;
    perform 1 from jobs
    where id in (select d.job_id from job_dependencies d where d.dependency_id = any (ids))
    order by id for update;

    -- Whoever is still blocked waits for it again; whoever has gone on is not called back.
    update jobs j set dependencies_left = j.dependencies_left + x.n
    from (
      select d.job_id, count(*)::integer as n from job_dependencies d
      where d.dependency_id = any (ids) and not d.is_required group by d.job_id
    ) x
    where j.id = x.job_id;

    with c as (  -- of several candidates with one key only the newest, else the unique index refuses for ever
      select distinct on (j.dedupe_key, case when j.dedupe_key is null then j.id end) j.id
      from jobs j
      where j.status = 'CANCELLED' and j.cancel_reason = 'DEPENDENCY'
        and j.id in (select d.job_id from job_dependencies d where d.dependency_id = any (ids) and d.is_required)
        and not exists (
          select from job_dependencies d join jobs p on p.id = d.dependency_id
          where d.job_id = j.id and d.is_required and p.status in ('FAILED', 'CANCELLED'))
        and not exists (
          select from jobs o
          where o.dedupe_key = j.dedupe_key and o.status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING'))
      order by j.dedupe_key, case when j.dedupe_key is null then j.id end, j.created_at desc, j.id desc
    ), u as (
      update jobs j set
        status = 'BLOCKED', failures = 0, losses = 0, finished_at = null, ended_by = null, cancel_requested_at = null,
        cancel_reason = null, cancelled_by_id = null, error = null, error_code = null, result = null, due = null,
        progress = 0, stage = null, processed_ms = null, total_ms = null, seq = j.seq + 1
      from c where j.id = c.id
      returning j.id, j.project_id, j.lane, j.seq, j.attempt,
        jsonb_build_object('status', j.status, 'reason', 'REVIVED') as data
    ), e as (
      insert into job_events (job_id, seq, at, type, attempt, data)
      select u.id, u.seq, t, 'BLOCKED', u.attempt, u.data from u
    )
    select array_agg((u.id, u.project_id, u.lane, u.seq, t, 'BLOCKED', u.attempt, u.data)::job_change), array_agg(u.id)
    into changes, ids from u;
    return query select * from unnest(changes);
  end loop;
end $$;

-- Lanes exist before their first job: a job's place is read from its lane.
insert into lanes (name, virtual_now)
select name, job_now() from unnest(array['cpu', 'gpu', 'io', 'llm']) as name;

-- Recurring work. An hour is often enough for what it does: unfinished uploads live for days.
insert into schedules (name, cron, kind, next_at) values ('maintenance', '17 * * * *', 'MAINTENANCE', job_now());
