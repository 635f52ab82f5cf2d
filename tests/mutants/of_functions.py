"""Mutants of the SQL functions: places, unblock, cascade, retry.

Left out because nothing can tell them from the code: `coalesce(j.due, ...)` in unblock and cascade (a blocked job has
no place yet), what a revived job forgets beside the reason (it was blocked: nothing had happened to it), and FOR SHARE
on the dependencies of those to be revived (they are locked FOR UPDATE themselves in a statement before the one that
reads, and whoever settles a dependency locks its dependents after that: one of the two sees the other).
"""

from __future__ import annotations

from tests.mutants.mutant import CLAIMS, FUNCTIONS, RACES, Mutant

_PLACE = "create function job_place"
_UNBLOCK = "create function job_unblock"
_CASCADE = "create function job_cascade"
_RETRY = "create function job_retry"

_LEVEL_LOCK = """    perform 1 from jobs
    where id in (select d.job_id from job_dependencies d where d.dependency_id = any (ids))
    order by id for update;
"""
_NO_LIVE_TWIN = """
      and not exists (
        select from jobs o
        where o.dedupe_key = j.dedupe_key and o.status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING'))
    returning"""
_REVIVE_NO_TWIN = """
        and not exists (
          select from jobs o
          where o.dedupe_key = j.dedupe_key and o.status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING'))
      order"""
_REVIVE_NO_DEAD = """
        and not exists (
          select from job_dependencies d join jobs p on p.id = d.dependency_id
          where d.job_id = j.id and d.is_required and p.status in ('FAILED', 'CANCELLED'))
        and"""

# job_unblock as part of the statement that succeeds: with the snapshot that is older than the lock it waited for.
_ONE_STATEMENT = """
select id as job_id, project_id, lane::text as lane, seq, at, type, attempt, data from u
union all
select * from job_unblock(array(select id from u))
"""
_ONE_SNAPSHOT = """
, x as (
  select d.job_id, count(*)::integer as n from job_dependencies d join u on u.id = d.dependency_id group by d.job_id
), w as (
  update jobs j set dependencies_left = j.dependencies_left - x.n,
    status = case when j.status = 'BLOCKED' and j.dependencies_left = x.n
      then case when j.run_at > job_now() then 'SCHEDULED' else 'QUEUED' end else j.status end,
    due = case when j.status = 'BLOCKED' and j.dependencies_left = x.n and coalesce(j.run_at <= job_now(), true)
      then job_place(j.project_id, j.lane, j.priority) else j.due end,
    seq = j.seq + (j.status = 'BLOCKED' and j.dependencies_left = x.n)::integer
  from x where j.id = x.job_id
  returning j.id, j.project_id, j.lane, j.seq, job_now() as at, j.status as type, j.attempt,
    jsonb_build_object('status', j.status, 'reason', 'UNBLOCKED') as data
), v as (
  insert into job_events (job_id, seq, at, type, attempt, data)
  select id, seq, at, type, attempt, data from w on conflict do nothing
  returning job_id
)
select id as job_id, project_id, lane::text as lane, seq, at, type, attempt, data from u
union all
select id, project_id, lane::text, seq, at, type, attempt, data from w where id in (select job_id from v)
"""

PLACES = (
    Mutant("place: by the wall clock", FUNCTIONS, _PLACE, "greatest(lane_now,", "greatest(job_now(),"),
    Mutant(
        "place: without the lane's clock",
        FUNCTIONS,
        _PLACE,
        "greatest(lane_now, last_end + step)",
        "coalesce(last_end + step, lane_now)",
    ),
    Mutant("place: all at the lane's clock", FUNCTIONS, _PLACE, "greatest(lane_now, last_end + step)", "lane_now"),
    Mutant(
        "place: no projects is no share", FUNCTIONS, _PLACE, "j.project_id is null and", "j.project_id = p_project and"
    ),
    Mutant("place: no branch for no project", FUNCTIONS, _PLACE, "if p_project is null then", "if false then"),
    Mutant("place: projects share a place", FUNCTIONS, _PLACE, "j.project_id = p_project and"),
    Mutant("place: no project is all projects", FUNCTIONS, _PLACE, "j.project_id is null and"),
    Mutant(
        "place: lanes share a place",
        FUNCTIONS,
        _PLACE,
        "j.project_id = p_project and j.lane = p_lane and",
        "j.project_id = p_project and",
    ),
    Mutant(
        "place: lanes share a place, no project",
        FUNCTIONS,
        _PLACE,
        "j.project_id is null and j.lane = p_lane and",
        "j.project_id is null and",
    ),
    Mutant(
        "place: priorities share a place",
        FUNCTIONS,
        _PLACE,
        "j.project_id = p_project and j.lane = p_lane and j.priority = p_priority and",
        "j.project_id = p_project and j.lane = p_lane and",
    ),
    Mutant(
        "place: priorities share a place, no project",
        FUNCTIONS,
        _PLACE,
        "j.project_id is null and j.lane = p_lane and j.priority = p_priority and",
        "j.project_id is null and j.lane = p_lane and",
    ),
    Mutant(
        "place: behind jobs that are over",
        FUNCTIONS,
        _PLACE,
        "j.project_id = p_project and j.lane = p_lane and j.priority = p_priority and j.status = 'QUEUED'",
        "j.project_id = p_project and j.lane = p_lane and j.priority = p_priority and j.due is not null",
    ),
    Mutant("place: behind the first, not the last", FUNCTIONS, "\n  else\n", "order by j.due desc", "order by j.due"),
    Mutant("place: cost does not count", FUNCTIONS, "\n  else\n", " + j.cost * interval '1 second'"),
    Mutant(
        "place: priority does not count",
        FUNCTIONS,
        _PLACE,
        "p_priority * interval '5 minutes'",
        "0 * p_priority * interval '5 minutes'",
    ),
    Mutant("place: a step is a minute", FUNCTIONS, _PLACE, "interval '5 minutes'", "interval '1 minute'"),
    Mutant("place: last place not normalised", FUNCTIONS, _PLACE, "last_end + step", "last_end"),
    Mutant("place: stable, not volatile", FUNCTIONS, _PLACE, "language plpgsql volatile", "language plpgsql stable"),
)

UNBLOCK = (
    Mutant("unblock: one snapshot for all", CLAIMS, '_SUCCEED = """', _ONE_STATEMENT, _ONE_SNAPSHOT, RACES),
    Mutant(
        "unblock: dependents not locked first",
        FUNCTIONS,
        _UNBLOCK,
        "  order by id for update;",
        "  order by id;",
        RACES,
    ),
    Mutant("unblock: not grouped", FUNCTIONS, _UNBLOCK, "count(*)::integer as n", "1 as n"),
    Mutant(
        "unblock: with one still missing",
        FUNCTIONS,
        _UNBLOCK,
        "j.dependencies_left = x.n",
        "j.dependencies_left <= x.n + 1",
    ),
    Mutant("unblock: in any state", FUNCTIONS, _UNBLOCK, "j.status = 'BLOCKED' and "),
    Mutant(
        "unblock: only blocked ones are counted",
        FUNCTIONS,
        _UNBLOCK,
        "from y where j.id = y.id\n",
        "from y where j.id = y.id and j.status = 'BLOCKED'\n",
    ),
    Mutant(
        "unblock: does not wait for its time",
        FUNCTIONS,
        _UNBLOCK,
        "case when j.run_at > t then 'SCHEDULED' else 'QUEUED' end",
        "'QUEUED'",
    ),
)

CASCADE = (
    Mutant(
        "cascade: one level only",
        FUNCTIONS,
        _CASCADE,
        "    return query select * from unnest(changes);",
        "    return query select * from unnest(changes);\n    ids := null;",
    ),
    Mutant("cascade: optional edges cancel", FUNCTIONS, _CASCADE, "bool_or(d.is_required)", "bool_or(true)"),
    Mutant("cascade: required edges do not cancel", FUNCTIONS, _CASCADE, "bool_or(d.is_required)", "bool_or(false)"),
    Mutant("cascade: required edges count as settled", FUNCTIONS, _CASCADE, " filter (where not d.is_required)"),
    Mutant(
        "cascade: optional edges not grouped",
        FUNCTIONS,
        _CASCADE,
        "(count(*) filter (where not d.is_required))::integer",
        "(not bool_and(d.is_required))::integer",
    ),
    Mutant(
        "cascade: optional edges do not free",
        FUNCTIONS,
        _CASCADE,
        "when j.dependencies_left = x.n then",
        "when false then",
    ),
    Mutant(
        "cascade: with one still missing",
        FUNCTIONS,
        _CASCADE,
        "j.dependencies_left = x.n",
        "j.dependencies_left <= x.n + 1",
    ),
    Mutant("cascade: in any state", FUNCTIONS, _CASCADE, "when j.status <> 'BLOCKED' then null\n"),
    Mutant(
        "cascade: only blocked ones are counted",
        FUNCTIONS,
        _CASCADE,
        "from y where j.id = y.id\n",
        "from y where j.id = y.id and j.status = 'BLOCKED'\n",
    ),
    Mutant(
        "cascade: does not wait for its time",
        FUNCTIONS,
        _CASCADE,
        "case when j.run_at > t then 'SCHEDULED' else 'QUEUED' end",
        "'QUEUED'",
    ),
    Mutant(
        "cascade: the wrong cause is told",
        FUNCTIONS,
        _CASCADE,
        "filter (where d.is_required))[1] as cause",
        "filter (where d.is_required))[2] as cause",
    ),
    Mutant("cascade: dependents not locked first", FUNCTIONS, _CASCADE, _LEVEL_LOCK, "", RACES),
)

RETRY = (
    Mutant(
        "retry: jobs that succeeded too",
        FUNCTIONS,
        _RETRY,
        "j.status in ('FAILED', 'CANCELLED')\n",
        "j.status in ('FAILED', 'CANCELLED', 'SUCCEEDED')\n",
    ),
    Mutant(
        "retry: live jobs too",
        FUNCTIONS,
        _RETRY,
        " and j.status in ('FAILED', 'CANCELLED')\n",
        " and j.status <> 'SUCCEEDED'\n",
    ),
    Mutant(
        "retry: not those that were cancelled",
        FUNCTIONS,
        _RETRY,
        "j.status in ('FAILED', 'CANCELLED')\n",
        "j.status = 'FAILED'\n",
    ),
    Mutant(
        "retry: on a dead required dependency",
        FUNCTIONS,
        _RETRY,
        "d.is_required and p.status in ('FAILED', 'CANCELLED'))\n      and",
        "d.is_required and false)\n      and",
    ),
    Mutant(
        "retry: refused for dead optional ones",
        FUNCTIONS,
        _RETRY,
        "where d.job_id = j.id and d.is_required and p.status in ('FAILED', 'CANCELLED'))\n      and",
        "where d.job_id = j.id and p.status in ('FAILED', 'CANCELLED'))\n      and",
    ),
    Mutant("retry: beside a live job with its key", FUNCTIONS, _RETRY, _NO_LIVE_TWIN, "\n    returning"),
    Mutant(
        "retry: without waiting",
        FUNCTIONS,
        _RETRY,
        "when j.dependencies_left > 0 then 'BLOCKED' else 'QUEUED' end",
        "when false then 'BLOCKED' else 'QUEUED' end",
    ),
    Mutant(
        "retry: keeps its turn",
        FUNCTIONS,
        _RETRY,
        "then null else job_place(j.project_id, j.lane, j.priority) end",
        "then null else coalesce(j.due, job_place(j.project_id, j.lane, j.priority)) end",
    ),
    Mutant(
        "retry: failures stay", FUNCTIONS, _RETRY, "      failures = 0, losses = 0, run_at", "      losses = 0, run_at"
    ),
    Mutant(
        "retry: losses stay", FUNCTIONS, _RETRY, "      failures = 0, losses = 0, run_at", "      failures = 0, run_at"
    ),
    Mutant(
        "retry: attempts begin again",
        FUNCTIONS,
        _RETRY,
        "      failures = 0, losses = 0, run_at",
        "      attempt = 0, failures = 0, losses = 0, run_at",
    ),
    Mutant(
        "retry: the cancel stays",
        FUNCTIONS,
        _RETRY,
        "ended_by = null, cancel_requested_at = null,\n      cancel_reason",
        "ended_by = null,\n      cancel_reason",
    ),
    Mutant(
        "retry: optional dependents do not wait again",
        FUNCTIONS,
        _RETRY,
        "dependencies_left = j.dependencies_left + x.n",
        "dependencies_left = j.dependencies_left",
    ),
    Mutant("retry: required edges counted again", FUNCTIONS, _RETRY, " and not d.is_required group by", " group by"),
    Mutant(
        "retry: only blocked ones count again",
        FUNCTIONS,
        _RETRY,
        "    where j.id = x.job_id;",
        "    where j.id = x.job_id and j.status = 'BLOCKED';",
    ),
    Mutant(
        "retry: dependencies without FOR SHARE",
        FUNCTIONS,
        _RETRY,
        "where d.job_id = p_id)\n  order by id for share;",
        "where d.job_id = p_id)\n  order by id;",
        RACES,
    ),
    Mutant("retry: dependents not locked first", FUNCTIONS, _RETRY, _LEVEL_LOCK, "", RACES),
)

REVIVAL = (
    Mutant(
        "revive: one level only",
        FUNCTIONS,
        _RETRY,
        "from u;\n    return query select * from unnest(changes);\n  end loop",
        "from u;\n    return query select * from unnest(changes);\n    ids := null;\n  end loop",
    ),
    Mutant(
        "revive: the user's cancels too",
        FUNCTIONS,
        _RETRY,
        "where j.status = 'CANCELLED' and j.cancel_reason = 'DEPENDENCY'",
        "where j.status = 'CANCELLED'",
    ),
    Mutant(
        "revive: over optional edges",
        FUNCTIONS,
        _RETRY,
        "any (ids) and d.is_required)\n        and not",
        "any (ids))\n        and not",
    ),
    Mutant("revive: with another dead dependency", FUNCTIONS, _RETRY, _REVIVE_NO_DEAD, "\n        and"),
    Mutant("revive: beside a live job with its key", FUNCTIONS, _RETRY, _REVIVE_NO_TWIN, "\n      order"),
    Mutant(
        "revive: twins",
        FUNCTIONS,
        _RETRY,
        "select distinct on (j.dedupe_key, case when j.dedupe_key is null then j.id end) j.id",
        "select j.id",
    ),
    Mutant("revive: the oldest twin", FUNCTIONS, _RETRY, "j.created_at desc, j.id desc", "j.created_at, j.id"),
    Mutant(
        "revive: one of those without a key",
        FUNCTIONS,
        _RETRY,
        "select distinct on (j.dedupe_key, case when j.dedupe_key is null then j.id end) j.id",
        "select distinct on (j.dedupe_key) j.id",
    ),
    Mutant(
        "revive: the reason stays",
        FUNCTIONS,
        _RETRY,
        "cancel_reason = null, cancelled_by_id = null, error = null, error_code = null, result = null, due = null,",
        "cancelled_by_id = null, error = null, error_code = null, result = null, due = null,",
    ),
)
