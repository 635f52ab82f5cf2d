"""What is made by the clock, and one of it now."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cuepoint.graphql.scalars import encode_id
from tests.support.graphql import Api

SCHEDULES = """query ($first: Int! = 25, $after: String) { schedules(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor } nodes { name cron kind nextAt isEnabled projectId } } }"""
RUN = """mutation ($input: RunScheduleNowInput!) { runScheduleNow(input: $input) {
  job { id kind status } changed errors { code field message } } }"""
MAINTENANCE = {"input": {"name": "maintenance"}}


@pytest.fixture(autouse=True)
async def maintenance(sql: Any) -> None:
    """The system's own, as the migration makes it."""
    await sql.execute(
        "insert into schedules (name, cron, kind, next_at) "
        "values ('maintenance', '17 * * * *', 'MAINTENANCE', '2030-01-01T00:17:00Z')"
    )


@pytest.fixture
async def imports(sql: Any, project: UUID) -> list[str]:
    """Schedules of import sources, the second one off."""
    names = [f"import:{project}:{number}" for number in range(2)]
    await sql.executemany(
        "insert into schedules (name, cron, kind, args, next_at, is_enabled, project_id) "
        "values ($1, '*/5 * * * *', 'IMPORT_PASS', '{\"source_id\": \"s\"}', '2030-01-01T00:05:00Z', $2, $3)",
        [(names[0], True, project), (names[1], False, project)],
    )
    return names


class TestSchedules:
    async def test_are_listed_by_name(self, admin: Api, imports: list[str], project: UUID) -> None:
        found = (await admin.data(SCHEDULES))["schedules"]

        assert [node["name"] for node in found["nodes"]] == [*imports, "maintenance"]
        assert found["totalCount"] == 3
        assert found["nodes"][1] == {
            "name": imports[1],
            "cron": "*/5 * * * *",
            "kind": "IMPORT_PASS",
            "nextAt": "2030-01-01T00:05:00+00:00",
            "isEnabled": False,
            "projectId": encode_id("Project", project),
        }
        assert (found["nodes"][2]["kind"], found["nodes"][2]["projectId"]) == ("MAINTENANCE", None)

    async def test_pages_go_on(self, admin: Api, imports: list[str]) -> None:
        first = (await admin.data(SCHEDULES, {"first": 2}))["schedules"]
        second = (await admin.data(SCHEDULES, {"first": 2, "after": first["pageInfo"]["endCursor"]}))["schedules"]

        assert [node["name"] for node in first["nodes"] + second["nodes"]] == [*imports, "maintenance"]
        assert await admin.statements(SCHEDULES, {"first": 1}) == await admin.statements(SCHEDULES, {"first": 3})

    async def test_members_may_neither_look_nor_run(self, sql: Any, member: Api) -> None:
        assert await member.codes(SCHEDULES) == ["FORBIDDEN"]
        assert await member.codes(RUN, MAINTENANCE) == ["FORBIDDEN"]

        assert await sql.fetchval("select count(*) from jobs") == 0


class TestRunScheduleNow:
    async def test_makes_the_job_once(self, sql: Any, admin: Api) -> None:
        before = await sql.fetchval("select next_at from schedules where name = 'maintenance'")

        answers = [(await admin.data(RUN, MAINTENANCE))["runScheduleNow"] for _ in range(2)]

        assert (answers[0]["job"]["kind"], answers[0]["changed"], answers[1]["changed"]) == ("MAINTENANCE", True, False)
        assert answers[1]["job"]["id"] == answers[0]["job"]["id"]
        assert await sql.fetchval("select next_at from schedules where name = 'maintenance'") == before
        assert await sql.fetchval("select count(*) from audit_events where action = 'STARTED'") == 1

    async def test_a_projects_is_its_own(self, sql: Any, admin: Api, imports: list[str], project: UUID) -> None:
        answer = (await admin.data(RUN, {"input": {"name": imports[0]}}))["runScheduleNow"]

        assert (answer["changed"], answer["errors"]) == (True, [])
        row = await sql.fetchrow("select project_id, args->>'source_id' as source, dedupe_key from jobs")
        assert tuple(row) == (project, "s", f"schedule:{imports[0]}")

    async def test_an_unknown_one_is_named(self, sql: Any, admin: Api) -> None:
        answer = (await admin.data(RUN, {"input": {"name": "coffee"}}))["runScheduleNow"]

        message = "There is no schedule of this name; the query `schedules` lists them."
        assert answer["errors"] == [{"code": "NOT_FOUND", "field": ["name"], "message": message}]
        assert await sql.fetchval("select count(*) from jobs") == 0
