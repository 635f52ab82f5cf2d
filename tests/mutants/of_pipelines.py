"""Mutants of pipelines: which edges their jobs get, what is joined, and what is fresh.

Left out because nothing can tell it from the code: `_joins` looks whether a job runs before it asks `wait_for_more`,
which looks too; that saves a statement.
"""

from __future__ import annotations

from tests.mutants.mutant import CONTEXT, FRESHNESS, JOINING, PIPELINE, Mutant

_WAIT = '_WAIT = """'
_WAIT_FOR_MORE = "async def wait_for_more"
_START = "class _Start"
_NEW = "async def _create"
_NEAREST = "def _nearest"
_STAGE = "async def stage"
_FRESH = "async def _fresh"
_REUSED = "async def reused_result"
_PRINT = "def fingerprint"

EDGES = (
    Mutant("pipeline: optional steps are required", PIPELINE, _STAGE, "not SPECS[before].is_optional", "True"),
    Mutant("pipeline: no step is required", PIPELINE, _STAGE, "not SPECS[before].is_optional", "False"),
    Mutant(
        "pipeline: an optional step hides what it required", PIPELINE, _NEAREST, " or SPECS[before].is_optional", ""
    ),
    Mutant("pipeline: the next one requires the running one", PIPELINE, _NEW, "(job.id, False)", "(job.id, True)"),
    Mutant("pipeline: the next one does not wait", PIPELINE, _NEW, "for job in before]", "for job in ()]"),
    Mutant("pipeline: the next one has the first key", PIPELINE, _NEW, "key + NEXT if any", "key if any"),
)

JOINED = (
    Mutant("join: behind what is dead", JOINING, _WAIT_FOR_MORE, "{JobStatus.FAILED, JobStatus.CANCELLED}", "set()"),
    Mutant(
        "join: optional ones that are over are waited for",
        JOINING,
        _WAIT_FOR_MORE,
        "or (status.is_final and not dependencies[known])",
        "or False",
    ),
    Mutant("join: every edge is required", JOINING, _WAIT_FOR_MORE, "[dependencies[known] for", "[True for"),
    Mutant("join: no edge is required", JOINING, _WAIT_FOR_MORE, "[dependencies[known] for", "[False for"),
    Mutant("join: what has started", JOINING, _WAIT, " and status in ('BLOCKED', 'SCHEDULED', 'QUEUED')"),
    Mutant(
        "join: it does not wait", JOINING, _WAIT, "case when n.more > 0 then 'BLOCKED' else j.status end", "j.status"
    ),
    Mutant(
        "join: settled ones are counted",
        JOINING,
        _WAIT,
        " where dependency_id = any ($3::uuid[])",
        " where $3::uuid[] is not null",
    ),
)

FRESH = (
    Mutant("fresh: whatever it was made of", FRESHNESS, _FRESH, "row.fingerprint != wanted", "False"),
    Mutant("fresh: what is gone", FRESHNESS, _FRESH, "if is_there or NOTHING in result else None", "if True else None"),
    Mutant("fresh: never, where there was nothing to make", FRESHNESS, _FRESH, " or NOTHING in result"),
    Mutant("fresh: the oldest success counts", FRESHNESS, _FRESH, "Job.finished_at.desc()", "Job.finished_at.asc()"),
    Mutant("fresh: failures are proof", FRESHNESS, _FRESH, ", Job.status == JobStatus.SUCCEEDED"),
    Mutant("fresh: another video's", FRESHNESS, _FRESH, "Job.video_id == video_id, "),
    Mutant("fresh: another step's", FRESHNESS, _FRESH, "Job.kind == kind, "),
    Mutant("fresh: forced ones too", FRESHNESS, _REUSED, " or is_forced"),
    Mutant(
        "fresh: the first run stores nothing", FRESHNESS, _REUSED, "fingerprint=found)", "fingerprint=Job.fingerprint)"
    ),
    Mutant(
        "fresh: without its inputs",
        FRESHNESS,
        _REUSED,
        "None if made_of is None else fingerprint",
        "'' if made_of is None else fingerprint",
    ),
    Mutant("fingerprint: without kind", FRESHNESS, _PRINT, "[kind.value, ", "["),
    Mutant("fingerprint: without version", FRESHNESS, _PRINT, " version,"),
    Mutant("fingerprint: without options", FRESHNESS, _PRINT, " options,"),
    Mutant("fingerprint: without inputs", FRESHNESS, _PRINT, ", inputs]", "]"),
    Mutant("fingerprint: by the order of names", FRESHNESS, _PRINT, "orjson.OPT_SORT_KEYS", "None"),
    Mutant("fingerprint: by who said so", FRESHNESS, _PRINT, " if name != SOURCES"),
)

LOCKS = (
    Mutant(
        "locks: a step takes its job before its video",
        CONTEXT,
        "async def _enter_when_reachable",
        "video_id is not None",
        "False",
    ),
)
