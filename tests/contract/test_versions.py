"""A version grows with what changes, and with nothing else: whoever sends what is there already disturbs nobody."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInputObjectType
from sqlalchemy import func, select

from cuepoint.api.schema import schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.audit.models import AuditEvent
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.graphql import Api, api_of

# What each mutation of something with a version is sent, twice, and where its payload has the version.
CHANGES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "updateProject": ("project", [{"name": "Match days", "description": "All of them."}, {}]),
    "updateProjectSettings": ("project", [{"options": {"language": "de", "steps": ["PROBE"]}}]),
    "updatePreset": ("preset", [{"name": "Short", "options": {"priority": 3, "momentCount": 5}}, {}]),
    "updateVideo": ("video", [{"title": "A", "tags": ["x"], "externalId": "e", "metadata": {"k": [1, 0.5]}}, {}]),
}


@pytest.fixture
async def api(db: Database, settings: Settings) -> Api:
    return api_of(db, settings, await make_viewer(db))


@pytest.fixture
async def ids(db: Database, api: Api) -> dict[str, str]:
    assert api.viewer is not None
    project = await make_project(db, owner_id=api.viewer.user_id)
    project_id = encode_id("Project", project.id)
    make = "mutation ($input: CreatePresetInput!) { createPreset(input: $input) { preset { id } } }"
    made = await api.data(make, {"input": {"projectId": project_id, "name": "first", "options": {}}})
    video = encode_id("Video", (await make_video(db, project)).id)
    return {"project": project_id, "preset": made["createPreset"]["preset"]["id"], "video": video}


async def change(api: Api, name: str, id: str, version: int, values: dict[str, Any]) -> int:
    """The version that the payload shows."""
    node, kind = CHANGES[name][0], f"{name[0].upper()}{name[1:]}Input"
    key = "projectId" if name == "updateProjectSettings" else "id"
    query = (
        f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {node} {{ version }} errors {{ code message }} }} }}"
    )
    payload = (await api.data(query, {"input": {key: id, "version": version, **values}}))[name]
    assert payload["errors"] == []
    return int(payload[node]["version"])


async def audited(db: Database) -> int:
    async with db.read() as session:
        return int(await session.scalar(select(func.count()).select_from(AuditEvent)) or 0)


class TestVersions:
    def test_every_mutation_that_names_one_is_here(self) -> None:
        kinds = [kind for kind in schema._schema.type_map.values() if isinstance(kind, GraphQLInputObjectType)]
        names = {kind.name.removesuffix("Input") for kind in kinds if "version" in kind.fields}

        assert names == {f"{name[0].upper()}{name[1:]}" for name in CHANGES}

    @pytest.mark.parametrize("name", CHANGES)
    async def test_what_changes_nothing_leaves_version_and_log_as_they_are(
        self, db: Database, api: Api, ids: dict[str, str], name: str
    ) -> None:
        node, (values, *others) = CHANGES[name]
        assert await change(api, name, ids[node], 1, values) == 2
        before = await audited(db)

        again = [await change(api, name, ids[node], 2, given) for given in (values, *others)]

        assert again == [2] * len(again)
        assert await audited(db) == before
        assert before > 0
