"""Statistics of jobs: counts, rates, waits and runs by group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.claims import Outcome, end_attempt, succeed
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.statistics import TIMED_OF_A_GROUP, JobGrouping, job_statistics
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_job, make_project
from tests.support.graphql import Api, count_statements
from tests.support.jobs import make, move_clock, run, take

QUERY = """query ($range: JobRangeInput, $groupBy: JobGrouping = KIND, $projectId: ID) {
  jobStatistics(range: $range, groupBy: $groupBy, projectId: $projectId) { key total counts { status count }
    successRate retries waitSecondsP50 waitSecondsP95 runSecondsP50 runSecondsP95 mediaSecondsPerSecond } }"""


async def rows(api: Api, **variables: Any) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in (await api.data(QUERY, variables))["jobStatistics"]}


class TestJobStatistics:
    async def test_measure_waits_runs_and_media(
        self, db: Database, sql: Any, worker: UUID, member: Api, project: UUID
    ) -> None:
        for wait, length in ((10, 20), (30, 40)):
            await move_clock(sql, 0)
            await make_job(db, project_id=project)
            await move_clock(sql, wait)
            [claimed] = await take(sql, worker)
            await sql.execute("update jobs set total_ms = 60000 where id = $1", claimed.fence.job_id)
            await move_clock(sql, wait + length)
            await succeed(sql, [(claimed.fence, None)])
        await move_clock(sql, 0)

        [probe] = (await rows(member)).values()

        assert (probe["key"], probe["total"], probe["successRate"], probe["retries"]) == ("PROBE", 2, 1.0, 0)
        assert probe["counts"] == [{"status": "SUCCEEDED", "count": 2}]
        assert probe["waitSecondsP50"] == pytest.approx(20, abs=1)
        assert probe["waitSecondsP95"] == pytest.approx(29, abs=1)
        assert probe["runSecondsP50"] == pytest.approx(30, abs=1)
        assert probe["runSecondsP95"] == pytest.approx(39, abs=1)
        assert probe["mediaSecondsPerSecond"] == pytest.approx(2, abs=0.1)

    async def test_failures_lower_the_rate_and_retries_are_counted(
        self, db: Database, sql: Any, worker: UUID, member: Api, project: UUID
    ) -> None:
        await make_job(db, project_id=project)
        [first] = await take(sql, worker)
        await end_attempt(sql, first.fence, Outcome.ERROR)
        [again] = await take(sql, worker)
        await end_attempt(sql, again.fence, Outcome.PERMANENT)
        await make_job(db, project_id=project)
        [good] = await take(sql, worker)
        await succeed(sql, [(good.fence, None)])
        await make_job(db, project_id=project)

        probe = (await rows(member))["PROBE"]

        assert (probe["total"], probe["successRate"], probe["retries"]) == (3, 0.5, 1)
        assert probe["counts"] == [
            {"status": "QUEUED", "count": 1},
            {"status": "SUCCEEDED", "count": 1},
            {"status": "FAILED", "count": 1},
        ]

    async def test_nothing_measured_is_null(self, db: Database, sql: Any, member: Api, project: UUID) -> None:
        await make_job(db, project_id=project)

        probe = (await rows(member))["PROBE"]

        figures = ("successRate", "waitSecondsP50", "waitSecondsP95", "runSecondsP50", "mediaSecondsPerSecond")
        assert [probe[name] for name in figures] == [None] * 5

    @pytest.mark.parametrize(
        ("group", "keys"),
        [
            ("ALL", {"ALL"}),
            ("KIND", {"PROBE", "SEGMENTATION"}),
            ("LANE", {"io", "cpu"}),
            ("ERROR_CODE", {""}),
        ],
    )
    async def test_groups(self, db: Database, sql: Any, member: Api, project: UUID, group: str, keys: set[str]) -> None:
        await make_job(db, project_id=project)
        await make_job(db, JobKind.SEGMENTATION, project_id=project)

        assert set(await rows(member, groupBy=group)) == keys

    async def test_groups_by_day(self, db: Database, sql: Any, member: Api, project: UUID) -> None:
        await make_job(db, project_id=project)
        await make_job(db, JobKind.SEGMENTATION, project_id=project)
        made = await sql.fetch("select to_char(created_at at time zone 'utc', 'YYYY-MM-DD') as day from jobs")

        assert set(await rows(member, groupBy="DAY")) == {row["day"] for row in made}

    async def test_everybody_sees_their_own(
        self, db: Database, sql: Any, member: Api, admin: Api, project: UUID
    ) -> None:
        foreign = await make_project(db)
        await make_job(db, project_id=project)
        await make_job(db, project_id=foreign)
        await make_job(db)

        mine, theirs = encode_id("Project", project), encode_id("Project", foreign)

        assert set(await rows(member, groupBy="PROJECT")) == {mine}
        assert set(await rows(admin, groupBy="PROJECT")) == {mine, theirs, ""}
        assert set(await rows(admin, groupBy="PROJECT", projectId=theirs)) == {theirs}
        assert await rows(member, projectId=theirs) == {}
        assert await member.codes(QUERY, {"projectId": ""}) == ["NOT_FOUND"]

    async def test_a_range_narrows(self, db: Database, sql: Any, member: Api, project: UUID) -> None:
        await make_job(db, project_id=project)
        now = datetime.now(UTC)
        before = {"start": (now - timedelta(hours=2)).isoformat(), "end": (now - timedelta(hours=1)).isoformat()}

        assert await rows(member, range=before) == {}
        assert set(await rows(member, range={"end": (now + timedelta(hours=1)).isoformat()})) == {"PROBE"}

    @pytest.mark.parametrize(
        ("group", "days"),
        [("KIND", 0), ("KIND", -1), ("KIND", 367), ("HOUR", 32)],
    )
    async def test_a_range_that_is_empty_or_too_long_is_refused(self, member: Api, group: str, days: int) -> None:
        end = datetime(2026, 1, 1, tzinfo=UTC)
        wanted = {"start": (end - timedelta(days=days)).isoformat(), "end": end.isoformat()}

        assert await member.codes(QUERY, {"range": wanted, "groupBy": group}) == ["BAD_USER_INPUT"]

    async def test_an_end_without_a_day_before_it_is_named(self, member: Api) -> None:
        answer = await member.execute(QUERY, {"range": {"end": "0001-01-01T12:00:00Z"}})

        [error] = answer["errors"]
        assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", ["range", "end"])

    async def test_the_first_of_all_days_is_a_range(self, member: Api) -> None:
        first = {"start": "0001-01-01T00:00:00Z", "end": "0001-01-02T00:00:00Z"}

        assert await rows(member, range=first) == {}


class TestSample:
    async def test_times_are_of_some_and_counts_of_all(
        self, db: Database, sql: Any, worker: UUID, project: UUID
    ) -> None:
        for number in range(3 * TIMED_OF_A_GROUP):
            await make(sql, project_id=project, priority=number % 11)
        claimed = await take(sql, worker, limit=3 * TIMED_OF_A_GROUP)
        await succeed(sql, [(one.fence, None) for one in claimed])
        rare = await make(sql, JobKind.SEGMENTATION, project_id=project)
        await run(sql, worker, rare, lane="cpu")
        outside = await sql.fetch(  # two thirds of the many ran for a day; whoever reads them says so
            "update job_events e set at = e.at - interval '1 day' from jobs j where j.id = e.job_id "
            "and e.type = 'STARTED' and j.kind = 'PROBE' "
            "and get_byte(uuid_send(j.id), 14) * 256 + get_byte(uuid_send(j.id), 15) >= 65536.0 / 3 returning j.id"
        )
        end = datetime.now(UTC) + timedelta(minutes=1)
        wanted = JobFilter(created_from=end - timedelta(days=1), created_before=end)
        viewer = Viewer(uuid7(), is_admin=True)

        with count_statements(db.engine) as seen:
            async with db.read() as session:
                sampled = await job_statistics(session, viewer, wanted, JobGrouping.KIND, timed_jobs=1)
        assert [(row.key, row.total) for row in sampled] == [("PROBE", 300), ("SEGMENTATION", 1)]
        assert len(outside) > 100
        assert all(row.run_seconds[1] is not None and row.run_seconds[1] < 60 for row in sampled)
        assert len(seen) == 1
