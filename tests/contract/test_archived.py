"""An archived project can only be looked at: each mutation of the schema that concerns a project is refused in one.

The arguments are those of the access matrix. What may be done all the same stands here with its reason.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.projects import service as projects
from cuepoint.graphql.scalars import decode_id
from tests.support.access_http import send_http
from tests.support.access_matrix import outcome, read_table, root_fields
from tests.support.access_world import World, world_of

FIELDS = root_fields(schema._schema)
ROWS, MAKINGS = read_table()
NOT_OF_A_PROJECT = {"apiKey", "email", "member", "projectName", "session", "user", "worker"}

ALLOWED = {
    "archiveProject": "changes nothing any more",
    "cancelBatch": "finds no job that may be changed; answers that it cancelled none",
    "clearQueue": "by filter: finds nothing in an archived project",
    "createApiKey": "a key of somebody who may look, archived or not",
    "deleteProject": "an owner may give up what is archived",
    "retryBatch": "finds no job that may be changed; answers that it retried none",
    "retryFailed": "by filter: finds nothing in an archived project",
    "revokeShareLink": "who may look is an owner's to say, archived or not",
    "setQuota": "administrators limit what a project takes, archived or not",
    "unarchiveProject": "the way back",
    "wipeProjectStorage": "an owner may give up the files of what is archived",
}
FINDS_NOTHING = {"cancelBatch", "clearQueue", "retryBatch", "retryFailed"}
CHANGING = [
    row for row in ROWS if row.kind == "mutation" and (set(row.places) - NOT_OF_A_PROJECT or row.name in FINDS_NOTHING)
]


@pytest.fixture
async def world(db: Database, settings: Settings) -> AsyncIterator[World]:
    settings = settings.model_copy(update={"import_roots": ("/srv",)})
    async with world_of(db, settings, MAKINGS) as made:
        viewer = await made.viewer("owner")
        assert viewer is not None
        async with db.write() as session:
            await projects.archive_project(session, viewer, decode_id("Project", made.ids["project"]))
        yield made


class TestAnArchivedProject:
    @pytest.mark.parametrize("caller", ["owner", "admin"])
    async def test_refuses_every_change(self, world: World, caller: str) -> None:
        wrong = []
        for row in CHANGING:
            answer = await world.ask(caller, row, FIELDS[row.key], world.ids)
            if ("PROJECT_ARCHIVED" in json.dumps(answer.body)) is (row.name in ALLOWED):
                wrong.append(f"{row.name}: {answer.body}")

        text = "\n".join(wrong)
        assert not wrong, f"a change in an archived project goes through the gate, or stands in ALLOWED:\n{text}"

    @pytest.mark.parametrize("caller", ["owner", "admin"])
    async def test_has_no_job_that_a_filter_finds(self, world: World, caller: str) -> None:
        found = {}
        for row in [row for row in CHANGING if row.name in FINDS_NOTHING]:
            answer = await world.ask(caller, row, FIELDS[row.key], world.ids)
            found[row.name] = outcome(row.name, FIELDS[row.key], answer.body)

        assert found == dict.fromkeys(FINDS_NOTHING, "empty")

    @pytest.mark.parametrize("name", ["POST /uploads", "PATCH /uploads/$upload", "DELETE /uploads/$upload"])
    async def test_takes_no_bytes(self, world: World, name: str) -> None:
        (row,) = [row for row in ROWS if row.kind == "http" and row.name == name]

        assert "archived" in (await send_http(world, "owner", row)).text

    def test_says_no_reason_too_many(self) -> None:
        assert set(ALLOWED) - {row.name for row in CHANGING} == set()
