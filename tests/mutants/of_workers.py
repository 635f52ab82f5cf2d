"""Mutants of what workers and tickers do: claims.py and leases.py, lane_slots.py and fetcher.py.

Left out because nothing can tell them from the code: `status = 'RUNNING'` beside `worker_id = ...` (a check
constraint makes them one), and `id` in `order by due, id` (the index has that order).
"""

from __future__ import annotations

from tests.mutants.mutant import CLAIMS, FETCHER, LANE_SLOTS, LEASES, PROCESS, RUNNER, WATCHES, Mutant

_SUCCEED = '_SUCCEED = """'
_END = '_END_ATTEMPT = """'
_PROGRESS = '_PROGRESS = """'
_HOLD = '_HOLD = """'
_CLAIM = '_CLAIM = """'
_LOST = '_LOST = """'

FENCES = (
    Mutant("succeed: fence without job", CLAIMS, _SUCCEED, "j.id = f.id and j.attempt", "j.attempt"),
    Mutant("succeed: fence without attempt", CLAIMS, _SUCCEED, "j.attempt = f.attempt and "),
    Mutant("succeed: fence without worker", CLAIMS, _SUCCEED, " and j.worker_id = f.worker_id"),
    Mutant(
        "succeed: fence without worker and state",
        CLAIMS,
        _SUCCEED,
        " and j.worker_id = f.worker_id\n    and j.status = 'RUNNING' and",
        " and",
    ),
    Mutant("succeed: cancel guard", CLAIMS, _SUCCEED, " and j.cancel_requested_at is null"),
    Mutant("end: fence without job", CLAIMS, _END, "where id = $1::uuid and", "where $1::uuid is not null and"),
    Mutant("end: fence without attempt", CLAIMS, _END, "attempt = $2::integer and", "$2::integer > -9 and"),
    Mutant("end: fence without worker", CLAIMS, _END, " and worker_id = $3::uuid"),
    Mutant("progress: fence without job", CLAIMS, _PROGRESS, "on j.id = p.id and", "on"),
    Mutant("progress: fence without attempt", CLAIMS, _PROGRESS, " and j.attempt = p.attempt"),
    Mutant("progress: fence without worker", CLAIMS, _PROGRESS, " and j.worker_id = p.worker_id"),
    Mutant("hold: fence without attempt", CLAIMS, _HOLD, "attempt = $2::integer", "$2::integer > -9"),
    Mutant("hold: fence without worker", CLAIMS, _HOLD, "worker_id = $3::uuid", "$3::uuid is not null"),
    Mutant("renew: told of attempts that are over", LEASES, '_RENEW = """', " and j.attempt = h.attempt"),
    Mutant("renew: told of jobs of others", LEASES, '_RENEW = """', " and j.worker_id = $1::uuid"),
    Mutant("state: a success of another worker is mine", CLAIMS, '_STATE = """', " and ended_by = $3::uuid"),
)

CLAIM = (
    Mutant("claim: live-worker guard", CLAIMS, _CLAIM, "w.id = $2::uuid and w.state = 'LIVE'", "$2::uuid is not null"),
    Mutant("claim: draining workers too", CLAIMS, _CLAIM, "w.state = 'LIVE'", "w.state in ('LIVE', 'DRAINING')"),
    Mutant("claim: paused lanes too", CLAIMS, _CLAIM, " and l.is_paused", " and false"),
    Mutant("claim: other lanes too", CLAIMS, _CLAIM, "where lane = $1::text and", "where"),
    Mutant(
        "claim: kinds that it does not know",
        CLAIMS,
        _CLAIM,
        "($4::text[] is null or kind = any ($4::text[]))",
        "$4::text[] is not distinct from $4::text[]",
    ),
    Mutant("claim: all kinds are known kinds", CLAIMS, _CLAIM, "$4::text[] is null or "),
    Mutant("claim: oldest first instead of due", CLAIMS, _CLAIM, "order by due, id limit", "order by id limit"),
    Mutant("claim: waits for locked rows", CLAIMS, _CLAIM, "for update skip locked", "for update"),
    Mutant("claim: the attempt stays", CLAIMS, _CLAIM, "attempt = j.attempt + 1", "attempt = greatest(j.attempt, 1)"),
    Mutant("claim: the lane's clock stands", CLAIMS, _CLAIM, "l.virtual_now < x.v", "false"),
    Mutant("claim: the lane's clock goes back", CLAIMS, _CLAIM, "l.virtual_now < x.v", "x.v is not null"),
    Mutant("claim: the lane's clock without cost", CLAIMS, _CLAIM, " + cost * interval '1 second'"),
    Mutant("claim: the lane's clock without priority", CLAIMS, _CLAIM, " + priority * interval '5 minutes'"),
    Mutant("claim: the lane's clock by the first", CLAIMS, _CLAIM, "select max(due", "select min(due"),
    Mutant("claim: progress of the last attempt stays", CLAIMS, _CLAIM, " progress = 0,"),
    Mutant("claim: who ended the last attempt stays", CLAIMS, _CLAIM, " ended_by = null,"),
)

ENDS = (
    Mutant("progress: goes back", CLAIMS, _PROGRESS, "greatest(j.progress, c.progress)", "c.progress"),
    Mutant("progress: waits for locked rows", CLAIMS, _PROGRESS, " skip locked"),
    Mutant(
        "succeed: dependents stay", CLAIMS, _SUCCEED, "array(select id from u)", "array(select id from u where false)"
    ),
    Mutant("end: a cancelled job goes on", CLAIMS, _END, "c.cancel_requested_at is not null or"),
    Mutant("end: a stopped job goes on", CLAIMS, _END, " or $4::text = 'STOPPED'"),
    Mutant("end: permanent errors are tried again", CLAIMS, _END, "$4::text = 'PERMANENT' or"),
    Mutant(
        "end: one attempt too many", CLAIMS, _END, "c.failures + 1 >= c.max_attempts", "c.failures >= c.max_attempts"
    ),
    Mutant("end: one attempt too few", CLAIMS, _END, "c.failures + 1 >=", "c.failures + 2 >="),
    Mutant("end: any outcome exhausts", CLAIMS, _END, "$4::text = 'ERROR' and c.failures", "c.failures"),
    Mutant(
        "end: a snooze burns a failure",
        CLAIMS,
        _END,
        "in ('ERROR', 'PERMANENT')",
        "in ('ERROR', 'PERMANENT', 'SNOOZE')",
    ),
    Mutant(
        "end: a release burns a failure",
        CLAIMS,
        _END,
        "in ('ERROR', 'PERMANENT')",
        "in ('ERROR', 'PERMANENT', 'RELEASE')",
    ),
    Mutant("end: no delay", CLAIMS, _END, "when $5::float8 > 0 then", "when false then"),
    Mutant(
        "end: no cascade of failures",
        CLAIMS,
        _END,
        "where status in ('CANCELLED', 'FAILED')))",
        "where status = 'CANCELLED'))",
    ),
    Mutant(
        "end: no cascade of cancels",
        CLAIMS,
        _END,
        "where status in ('CANCELLED', 'FAILED')))",
        "where status = 'FAILED'))",
    ),
    Mutant(
        "end: takes a new turn",
        CLAIMS,
        _END,
        "seq = j.seq + 1",
        "seq = j.seq + 1, due = job_place(j.project_id, j.lane, j.priority)",
    ),
)

TICKER = (
    Mutant(
        "promote: takes a new turn",
        LEASES,
        '_PROMOTE = """',
        "coalesce(j.due, job_place(j.project_id, j.lane, j.priority))",
        "job_place(j.project_id, j.lane, j.priority)",
    ),
    Mutant(
        "promote: too early",
        LEASES,
        '_PROMOTE = """',
        " and run_at <= job_now()",
        " and run_at <= job_now() + interval '2 seconds'",
    ),
    Mutant("promote: what is due now waits", LEASES, '_PROMOTE = """', "run_at <= job_now()", "run_at < job_now()"),
    Mutant("lost: workers without a row", LEASES, _LOST, "    w.id is null or w.state not in", "    w.state not in"),
    Mutant(
        "lost: only of workers that were lost",
        LEASES,
        _LOST,
        "    w.id is null or w.state not in ('LIVE', 'DRAINING')",
        "    w.id is null or w.state = 'LOST'",
    ),
    Mutant(
        "lost: draining workers too",
        LEASES,
        _LOST,
        "    w.id is null or w.state not in ('LIVE', 'DRAINING')",
        "    w.id is null or w.state <> 'LIVE'",
    ),
    Mutant(
        "lost: ignored cancels stay",
        LEASES,
        _LOST,
        "    or j.cancel_requested_at < clock.t - $1::float8 * interval '1 second'",
        "    or (false and $1::float8 > 0)",
    ),
    Mutant(
        "lost: cancels are not waited for",
        LEASES,
        _LOST,
        " - $1::float8 * interval '1 second'",
        " - 0 * $1::float8 * interval '1 second'",
    ),
    Mutant(
        "lost: time-outs stay",
        LEASES,
        _LOST,
        "interval '1 second' < clock.t)",
        "interval '1 second' < clock.t and false)",
    ),
    Mutant(
        "lost: the time-out without the lease",
        LEASES,
        _LOST,
        "(j.timeout_seconds + $2::float8)",
        "(j.timeout_seconds + 0 * $2::float8)",
    ),
    Mutant("lost: one loss too many", LEASES, _LOST, "j.losses + 1 >= j.max_losses", "j.losses >= j.max_losses"),
    Mutant("lost: one loss too few", LEASES, _LOST, "j.losses + 1 >= j.max_losses", "j.losses + 2 >= j.max_losses"),
    Mutant(
        "lost: a cancelled job runs again",
        LEASES,
        _LOST,
        "when j.cancel_requested_at is not null then 'CANCELLED'",
        "when false then 'CANCELLED'",
    ),
    Mutant(
        "lost: counts a failure",
        LEASES,
        _LOST,
        "losses = j.losses + 1,",
        "losses = j.losses + 1, failures = j.failures + 1,",
    ),
    Mutant("lost: no cascade", LEASES, _LOST, "where status in ('CANCELLED', 'FAILED')))", "where false))"),
    Mutant(
        "lost: silent draining workers live on",
        LEASES,
        '_REAP = """',
        "state in ('LIVE', 'DRAINING')",
        "state = 'LIVE'",
    ),
    Mutant("lost: the lease does not count", LEASES, '_REAP = """', " and lease_until < job_now()"),
    Mutant(
        "renew: the lost live again",
        LEASES,
        '_RENEW = """',
        " and state in ('LIVE', 'DRAINING') returning",
        " returning",
    ),
)

_SLOTS = "class LaneSlots"
_LEFT = "            await self._give_up(older_than_seconds=0.0)\n"
_DUE, _NOW = "time.monotonic() - older_than_seconds", "time.monotonic()"
_OLDEST, _NEWEST = "return self._ahead.popleft()[1]", "return self._ahead.pop()[1]"

AHEAD = (
    Mutant("ahead: of long jobs too", LANE_SLOTS, _SLOTS, "self._mean_seconds > SHORT_SECONDS", "False"),
    Mutant("ahead: never given back", LANE_SLOTS, _SLOTS, "self._ahead[0][0] <= due", "False"),
    Mutant("ahead: given back at once", LANE_SLOTS, _SLOTS, _DUE, _NOW),
    Mutant("ahead: again and again", LANE_SLOTS, _SLOTS, "if late:", "if False:"),
    Mutant("ahead: the newest first", LANE_SLOTS, _SLOTS, _OLDEST, _NEWEST),
    Mutant(
        "ahead: begins what is claimed while it stops",
        LANE_SLOTS,
        _SLOTS,
        "self._free > 0 and may_begin",
        "self._free > 0",
    ),
    Mutant("ahead: begins what waits while it stops", LANE_SLOTS, _SLOTS, "self._ahead and may_begin", "self._ahead"),
    Mutant("ahead: kept while the worker drains", FETCHER, "class Fetcher", _LEFT),
)

_FORMER = "former is None or (former.is_over and former.fence != claimed.fence)"
_OTHERS = "former.fence != claimed.fence or former.is_over or former.stop_reason is not None"

# What a worker that was lost, or a crash of Postgres that forgot a claim, leaves in a process.
ONE_ATTEMPT = (
    Mutant("one: two attempts of a job beside each other", PROCESS, "class WorkerProcess", _FORMER, "True"),
    Mutant("one: a forgotten claim is given back", PROCESS, "class WorkerProcess", _OTHERS, "True"),
    Mutant("one: a lost attempt counts as the new one", PROCESS, "class WorkerProcess", _OTHERS, "False"),
    Mutant("told: no end behind a forgotten claim", WATCHES, "class Watch", "snapshot.seq <= self.seen", "False"),
)

_RUNNER = "class Runner"

# The body runs in the task that ends the job: what is meant for the one must not reach the other.
STOPS = (
    Mutant("stop: reaches what follows the body", RUNNER, _RUNNER, "            attempt.is_over = True\n"),
    Mutant(
        "stop: the body begins all the same",
        RUNNER,
        _RUNNER,
        "if attempt.begin(task):",
        "if attempt.begin(task) or True:",
    ),
    Mutant("stop: from outside is a failure", RUNNER, _RUNNER, "attempt.stop_reason = StopReason.RELEASED", "pass"),
    Mutant("stop: a body that cancels itself is given back", RUNNER, _RUNNER, " and task.cancelling()"),
)
