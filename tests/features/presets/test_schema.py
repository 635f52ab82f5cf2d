"""Settings, presets and the options of jobs as clients see them."""

from __future__ import annotations

from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.videos import make_video
from tests.support.graphql import Api

SETTINGS = """mutation ($input: UpdateProjectSettingsInput!) { updateProjectSettings(input: $input) {
  project { version settings { language momentCount momentMaxSeconds steps clipMode audioTrack } }
  errors { code field } } }"""
CREATE = """mutation ($input: CreatePresetInput!) { createPreset(input: $input) {
  preset { id name version options { momentCount } project { name } } errors { code field } } }"""
UPDATE = """mutation ($input: UpdatePresetInput!) { updatePreset(input: $input) {
  preset { name version } errors { code field } } }"""
DELETE = "mutation ($input: DeletePresetInput!) { deletePreset(input: $input) { id errors { code } } }"
LIST = """query ($id: ID!, $first: Int!) { presets(projectId: $id, first: $first) {
  totalCount nodes { name project { name } } } }"""
START = """mutation ($input: StartPipelineInput!) { startPipeline(input: $input) {
  jobs { kind effectiveOptions { name value source } } errors { code field } } }"""


class TestUpdateProjectSettings:
    async def test_answers_the_settings_and_a_conflict_the_newer_ones(self, api: Api, project: Project) -> None:
        options = {"language": "de", "momentCount": 3, "momentMaxDuration": "00:00:20.500", "clipMode": "FAST"}
        options |= {"audioTrack": 2}
        given = {"projectId": encode_id("Project", project.id), "version": 1, "options": options}

        first = (await api.data(SETTINGS, {"input": given}))["updateProjectSettings"]
        second = (await api.data(SETTINGS, {"input": {**given, "options": {}}}))["updateProjectSettings"]

        assert first == {
            "project": {
                "version": 2,
                "settings": {
                    "language": "de",
                    "momentCount": 3,
                    "momentMaxSeconds": 20.5,
                    "steps": None,
                    "clipMode": "FAST",
                    "audioTrack": 2,
                },
            },
            "errors": [],
        }
        assert second == {"project": first["project"], "errors": [{"code": "VERSION_CONFLICT", "field": ["version"]}]}


class TestPresets:
    async def test_are_made_changed_listed_and_deleted(self, api: Api, project: Project) -> None:
        project_id = encode_id("Project", project.id)
        given = {"projectId": project_id, "name": "short", "options": {"momentCount": 4}}

        created = (await api.data(CREATE, {"input": given}))["createPreset"]
        taken = (await api.data(CREATE, {"input": given}))["createPreset"]
        key = created["preset"]["id"]
        changed = (await api.data(UPDATE, {"input": {"id": key, "version": 1, "name": "long"}}))["updatePreset"]
        late = (await api.data(UPDATE, {"input": {"id": key, "version": 1, "name": "x"}}))["updatePreset"]
        listed = (await api.data(LIST, {"id": project_id, "first": 5}))["presets"]
        node = await api.data("query ($id: ID!) { preset(id: $id) { name } node(id: $id) { id } }", {"id": key})
        deleted = (await api.data(DELETE, {"input": {"id": key}}))["deletePreset"]

        assert created["preset"]["options"] == {"momentCount": 4}
        assert taken == {"preset": None, "errors": [{"code": "NAME_TAKEN", "field": ["name"]}]}
        assert changed == {"preset": {"name": "long", "version": 2}, "errors": []}
        assert late == {
            "preset": {"name": "long", "version": 2},
            "errors": [{"code": "VERSION_CONFLICT", "field": ["version"]}],
        }
        assert listed == {"totalCount": 1, "nodes": [{"name": "long", "project": {"name": "Archive"}}]}
        assert node == {"preset": {"name": "long"}, "node": {"id": key}}
        assert deleted == {"id": key, "errors": []}
        assert await api.data("query ($id: ID!) { preset(id: $id) { name } }", {"id": key}) == {"preset": None}

    async def test_statements_do_not_grow_with_the_page(self, api: Api, project: Project) -> None:
        wanted = {"id": encode_id("Project", project.id)}
        for number in range(5):
            given = {"projectId": wanted["id"], "name": f"P{number}", "options": {}}
            await api.data(CREATE, {"input": given})

        one = await api.statements(LIST, {**wanted, "first": 1})
        five = await api.statements(LIST, {**wanted, "first": 5})

        assert one == five == 3  # the gate, the presets with their number, the project


class TestEffectiveOptions:
    async def test_say_where_each_value_comes_from(self, db: Database, api: Api, project: Project) -> None:
        project_id = encode_id("Project", project.id)
        given = {"projectId": project_id, "name": "short", "options": {"momentCount": 4}}
        preset = (await api.data(CREATE, {"input": given}))["createPreset"]["preset"]["id"]
        settings = {"projectId": project_id, "version": 1, "options": {"momentCount": 9, "momentMinDuration": 5}}
        await api.data(SETTINGS, {"input": settings})
        video = await make_video(db, project)
        call = {
            "videoId": encode_id("Video", video.id),
            "steps": ["MOMENT_GENERATION"],
            "presetId": preset,
            "options": {"momentMaxDuration": 30},
        }

        started = (await api.data(START, {"input": call}))["startPipeline"]

        assert started["jobs"] == [
            {
                "kind": "MOMENT_GENERATION",
                "effectiveOptions": [
                    {"name": "momentCount", "value": 4, "source": "PRESET"},
                    {"name": "momentMinSeconds", "value": 5.0, "source": "PROJECT"},
                    {"name": "momentMaxSeconds", "value": 30.0, "source": "CALL"},
                ],
            }
        ]

    async def test_what_nobody_said_is_the_instances(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        call = {"videoId": encode_id("Video", video.id), "steps": ["TRANSCRIPTION"]}

        started = (await api.data(START, {"input": call}))["startPipeline"]

        assert started["jobs"][0]["effectiveOptions"] == [{"name": "language", "value": None, "source": "INSTANCE"}]

    async def test_bad_options_are_refused_by_name(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project)
        call = {"videoId": encode_id("Video", video.id), "options": {"language": "x"}}

        started = (await api.data(START, {"input": call}))["startPipeline"]

        assert started == {"jobs": [], "errors": [{"code": "BAD_USER_INPUT", "field": ["options", "language"]}]}
