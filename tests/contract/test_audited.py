"""The audit log knows of every act that changes who may do what, what is kept, or what leaves.

Each mutation of the schema is carried out once, with the arguments of the access matrix, and undone. Either it writes
an event, or it stands in the list of those that need none, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.graphql.scalars import decode_id
from tests.support.access_matrix import Row, read_table, root_fields
from tests.support.access_world import Answer, World, world_of
from tests.support.builders.users import PASSWORD, sign_in
from tests.support.graphql import count_statements

FIELDS = {
    key.removeprefix("mutation "): field
    for key, field in root_fields(schema._schema).items()
    if key.startswith("mutation ")
}
ROWS, MAKINGS = read_table()

ADDS = "adds to a project; the row says who made it, and its job's events the rest"
WORKS = "work, not rights: the events of the job tell who asked and what became of it"
NOT_LOGGED = {
    "autoClips": ADDS,
    "cancelBatch": WORKS,
    "cancelJob": WORKS,
    "completeUpload": ADDS,
    "createClip": ADDS,
    "createClips": ADDS,
    "createPageCode": "lends nothing by itself; the sign-in with the code is logged",
    "createProxy": ADDS,
    "createReel": ADDS,
    "createUpload": ADDS,
    "extractAudio": ADDS,
    "generateMoments": ADDS,
    "ingestPlaylist": ADDS,
    "ingestUrl": ADDS,
    "recountStorage": "counters alone; what they count stays as it is",
    "refreshSession": "the session that goes on is in the log, and a token that is used twice",
    "registerVideo": ADDS,
    "retryBatch": WORKS,
    "retryFailed": WORKS,
    "retryJob": WORKS,
    "setPoster": "which picture stands for a video; all of them are kept",
    "signUploadParts": ADDS,
    "startPipeline": ADDS,
    "startPipelines": ADDS,
    "updateJobPriority": WORKS,
}
# What has to be so before it changes anything: mutations that are carried out first, and kept.
FIRST: Mapping[str, Sequence[str]] = {
    "resumeQueue": ["pauseQueue"],
    "reactivateUser": ["deactivateUser"],
    "unarchiveProject": ["archiveProject"],
}
# Where the table asks what changes nothing.
ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "deleteJob": {"id": "$failedJob"},
    "login": {"email": "$email", "password": PASSWORD},
    "logout": {},
    "logoutAll": {},
    "updateProjectSettings": {"projectId": "$project", "version": 1, "options": {"language": "de"}},
    "updatePreset": {"id": "$preset", "version": 1, "name": "renamed"},
}
BY_SESSION = {"logout", "logoutAll"}


@pytest.fixture
async def world(db: Database, settings: Settings) -> AsyncIterator[World]:
    settings = settings.model_copy(update={"import_roots": ("/srv",)})
    async with world_of(db, settings, MAKINGS) as made:
        tokens = await sign_in(db, settings, made.ids["email"])
        yield World(made.db, made.process, made.dry, {**made.tokens, "session": tokens.access}, made.ids)


def row_of(name: str, *, is_kept: bool = False) -> Row:
    (row,) = [row for row in ROWS if row.kind == "mutation" and row.name == name]
    arguments = json.dumps(ARGUMENTS[name]) if name in ARGUMENTS else row.arguments
    return Row(row.kind, row.name, row.expected, arguments, is_kept or row.is_kept)


async def carried_out(world: World, name: str) -> tuple[Answer, bool]:
    """What the mutation answers, and whether it writes an event of the audit log."""
    for first in FIRST.get(name, ()):
        await world.ask("admin", row_of(first, is_kept=True), FIELDS[first], world.ids)
    row, caller = row_of(name), "session" if name in BY_SESSION else "admin"
    with count_statements(world.db.engine) as seen:
        answer = await world.ask(caller, row, FIELDS[name], world.ids)
    if name in FIRST:  # as it was
        await world.ask("admin", row_of(name, is_kept=True), FIELDS[name], world.ids)
    is_written = any(statement.startswith("INSERT INTO audit_events") for statement, _ in seen.seen)
    return answer, is_written


class TestEveryMutation:
    async def test_is_logged_or_has_a_reason_not_to_be(self, world: World) -> None:
        wrong = []
        for name in sorted(FIELDS, key=lambda one: one in FIRST):  # those last, which leave traces
            answer, is_written = await carried_out(world, name)
            if is_written is (name in NOT_LOGGED):
                wrong.append(f"{name}: {'logged' if is_written else 'not logged'}; {answer.body}")

        text = "\n".join(wrong)
        assert not wrong, f"log these (features/audit/service.py), or say in NOT_LOGGED why not:\n{text}"

    def test_has_a_reason_only_if_it_exists(self) -> None:
        assert set(NOT_LOGGED) - set(FIELDS) == set()


class TestAnEvent:
    async def test_names_actor_key_and_what_changed(self, world: World) -> None:
        await world.ask("owner", row_of("updateVideo", is_kept=True), FIELDS["updateVideo"], world.ids)

        found = await newest(world, decode_id("Video", world.ids["video"]))

        owner = await world.viewer("owner")
        assert owner is not None
        assert (found["actor_id"], found["api_key_id"]) == (owner.user_id, owner.api_key_id)
        assert (found["action"], found["project_id"]) == ("UPDATED", decode_id("Project", world.ids["project"]))
        assert found["before"] == {"title": "Four short stories", "version": 1}
        assert found["after"] == {"title": "other", "version": 2}


async def newest(world: World, node_id: Any) -> Mapping[str, Any]:
    """The last event of that object."""
    async with world.db.read() as session:
        connection = await session.connection()
        found = await connection.exec_driver_sql(
            "select * from audit_events where node_id = $1 order by created_at desc limit 1", (node_id,)
        )
        return dict(found.mappings().one())
