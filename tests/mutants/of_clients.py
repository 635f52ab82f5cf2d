"""Mutants of what clients ask for: transitions.py, and of the errors after which a transaction is repeated."""

from __future__ import annotations

from tests.mutants.mutant import CONCURRENCY, OUTAGES, RACES, TRANSITIONS, Mutant

_SETTLE = "async def _settle"
_CREATE = '_CREATE = f"""'
_CANCEL = '_CANCEL = f"""'
_KEEP = '_KEEP_CANCELLED = """'

CREATE = (
    Mutant("create: without FOR SHARE", TRANSITIONS, '_LOCK_DEPENDENCIES = "', " for share", "", RACES),
    Mutant("create: on a dead dependency it waits", TRANSITIONS, _SETTLE, "bad = bad or row", "bad = None and row"),
    Mutant(
        "create: dead optional ones cancel it", TRANSITIONS, _SETTLE, "if is_required and status in", "if status in"
    ),
    Mutant(
        "create: dead optional ones are waited for",
        TRANSITIONS,
        _SETTLE,
        "status != JobStatus.SUCCEEDED if is_required else not status.is_final",
        "status != JobStatus.SUCCEEDED",
    ),
    Mutant(
        "create: failed required ones count as settled",
        TRANSITIONS,
        _SETTLE,
        "status != JobStatus.SUCCEEDED if is_required else not status.is_final",
        "not status.is_final",
    ),
    Mutant("create: the last cause is told", TRANSITIONS, _SETTLE, 'bad = bad or row["id"]', 'bad = row["id"]'),
    Mutant("create: one dependency, two edges", TRANSITIONS, "def _merged", "edges.get(dependency_id, False) or "),
    Mutant("create: unknown dependencies", TRANSITIONS, _SETTLE, "len(rows) != len(edges)", "False"),
    Mutant("create: does not wait for its time", TRANSITIONS, _CREATE, "when $9::timestamptz > t then 'SCHEDULED'\n"),
    Mutant("create: system_key", TRANSITIONS, "def _create_arguments", "new.system_key", "None"),
    Mutant("create: dedupe_key", TRANSITIONS, "def _create_arguments", "new.dedupe_key", "None"),
    Mutant(
        "create: the holder of a key may be over",
        TRANSITIONS,
        '_EXISTING = f"""',
        "(dedupe_key = $2::text and status in {LIVE})",
        "dedupe_key = $2::text",
    ),
    Mutant(
        "create: a turn before it can run",
        TRANSITIONS,
        _CREATE,
        "case when x.status = 'QUEUED' then job_place($11::uuid, $3::text, $5::integer) end",
        "job_place($11::uuid, $3::text, $5::integer)",
    ),
)

CANCEL = (
    Mutant("cancel: asked twice", TRANSITIONS, _CANCEL, " and j.cancel_requested_at is null"),
    Mutant("cancel: jobs that are over too", TRANSITIONS, _CANCEL, " and j.status in {LIVE}"),
    Mutant(
        "cancel: running ones end at once",
        TRANSITIONS,
        _CANCEL,
        "status = case when j.status = 'RUNNING' then 'RUNNING' else 'CANCELLED' end",
        "worker_id = null, status = 'CANCELLED'",
    ),
    Mutant("cancel: no cascade", TRANSITIONS, _CANCEL, "where status = 'CANCELLED'))", "where false))"),
    Mutant(
        "cancel: cascade of what still runs",
        TRANSITIONS,
        _CANCEL,
        "select id from u where status = 'CANCELLED'",
        "select id from u",
    ),
    Mutant(
        "cancel: a dependent stays revivable",
        TRANSITIONS,
        _KEEP,
        "cancel_reason = 'USER', cancelled_by_id = null",
        "cancel_reason = 'DEPENDENCY', cancelled_by_id = null",
    ),
    Mutant("cancel: the user's cancel again", TRANSITIONS, _KEEP, " and j.cancel_reason = 'DEPENDENCY'"),
    Mutant(
        "cancel: a second cascade of what was cancelled",
        TRANSITIONS,
        _KEEP,
        "select id as job_id, project_id, lane, seq, at, type, attempt, data from u\n",
        "select id as job_id, project_id, lane::text as lane, seq, at, type, attempt, data from u\n"
        "union all select * from job_cascade(array(select id from u))\n",
    ),
)

REPEATS = (
    Mutant("conflicts: deadlocks are not repeated", OUTAGES, "_CONFLICT =", '"40P01", ', "", (CONCURRENCY,)),
    Mutant("conflicts: taken keys are not repeated", OUTAGES, "_CONFLICT =", ', "23505"', "", (CONCURRENCY,)),
)
