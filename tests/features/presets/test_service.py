"""Settings and presets: kept by version, and the order in which they, the call and the instance are asked."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from cuepoint.adapters.media.base import ClipMode
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.jobs.effective import JobOptions, OptionSource
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.presets import service
from cuepoint.features.presets.models import Preset
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos import service as videos
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


async def make_preset(db: Database, viewer: Viewer, project: Project, name: str, options: JobOptions) -> Preset:
    async with db.write() as session:
        return await service.create_preset(session, viewer, project_id=project.id, name=name, options=options)


async def settle(db: Database, viewer: Viewer, project: Project, options: JobOptions, version: int = 1) -> None:
    async with db.write() as session:
        await service.update_settings(session, viewer, project.id, version=version, options=options)


class TestEffectiveOptions:
    async def test_the_call_goes_before_the_preset_and_that_before_the_project(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        await settle(db, viewer, project, JobOptions(language="de", moment_count=3, clip_mode=ClipMode.FAST))
        preset = await make_preset(db, viewer, project, "short", JobOptions(moment_count=5, moment_max_ms=20_000))

        async with db.read() as session:
            found = await service.effective_options(session, project.id, JobOptions(moment_max_ms=9_000), preset.id)

        assert found.options == JobOptions(language="de", moment_count=5, moment_max_ms=9_000, clip_mode=ClipMode.FAST)
        assert found.sources == {
            "language": OptionSource.PROJECT,
            "clip_mode": OptionSource.PROJECT,
            "moment_count": OptionSource.PRESET,
            "moment_max_ms": OptionSource.CALL,
        }
        assert found.arguments(JobKind.MOMENT_GENERATION) == {
            "count": 5,
            "max_ms": 9_000,
            "sources": {"count": "PRESET", "max_ms": "CALL"},
        }
        assert found.arguments(JobKind.PROBE) == {}

    async def test_what_does_not_fit_together_is_refused(self, db: Database, viewer: Viewer, project: Project) -> None:
        await settle(db, viewer, project, JobOptions(moment_min_ms=30_000))

        async with db.read() as session:
            with pytest.raises(BadInputError, match="momentMinDuration must not exceed"):
                await service.effective_options(session, project.id, JobOptions(moment_max_ms=9_000))

    async def test_a_preset_of_the_instance_is_everybodys(self, db: Database, viewer: Viewer, project: Project) -> None:
        admin = await make_viewer(db, is_admin=True)
        async with db.write() as session:
            preset = await service.create_preset(
                session, admin, project_id=None, name="house", options=JobOptions(moment_count=7)
            )

        async with db.read() as session:
            found = await service.effective_options(session, project.id, preset_id=preset.id)
            listed = await service.list_presets(session, viewer, None, PageRequest(10))
            of_project = await service.list_presets(session, viewer, project.id, PageRequest(10))

        assert (found.options.moment_count, found.sources["moment_count"]) == (7, OptionSource.PRESET)
        assert ([row.id for row in listed.rows], of_project.rows) == ([preset.id], [])

    async def test_a_preset_of_the_instance_is_administrators_to_change(self, db: Database, viewer: Viewer) -> None:
        admin = await make_viewer(db, is_admin=True)
        async with db.write() as session:
            made = {"project_id": None, "name": "house", "options": JobOptions()}
            preset = await service.create_preset(session, admin, **made)
            with pytest.raises(ForbiddenError):
                await service.create_preset(session, viewer, **made)
            with pytest.raises(CuepointError) as taken:
                await service.create_preset(session, admin, **made)
            with pytest.raises(ForbiddenError):
                await service.update_preset(session, viewer, preset.id, version=1, name="mine")
            with pytest.raises(ForbiddenError):
                await service.delete_preset(session, viewer, preset.id)
            changed = await service.update_preset(session, admin, preset.id, version=1, name="ours")
            await service.delete_preset(session, admin, preset.id)

        assert taken.value.code is ErrorCode.NAME_TAKEN
        assert changed.preset.name == "ours"

    async def test_a_preset_of_another_project_is_none(self, db: Database, viewer: Viewer, project: Project) -> None:
        other = await make_project(db, owner_id=viewer.user_id)
        preset = await make_preset(db, viewer, other, "x", JobOptions())

        async with db.read() as session:
            for preset_id in (preset.id, uuid7()):
                with pytest.raises(NotFoundError, match="No such preset"):
                    await service.effective_options(session, project.id, JobOptions(), preset_id)


class TestJobs:
    async def test_a_pipeline_runs_as_it_was_said_once(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)
        steps = (JobKind.TRANSCRIPTION, JobKind.SEGMENTATION)
        await settle(db, viewer, project, JobOptions(steps=steps, language="de", priority=8))

        async with db.write() as session:
            _, started = await videos.start_pipeline(session, viewer, video.id, None)

        assert [(job.kind, job.priority) for job in started] == [(kind, 8) for kind in steps]
        assert started[0].args == {"language": "de", "sources": {"language": "PROJECT"}}
        assert started[1].args == {}

    async def test_steps_that_the_call_names_go_before(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)
        await settle(db, viewer, project, JobOptions(steps=(JobKind.TRANSCRIPTION,)))

        async with db.write() as session:
            _, started = await videos.start_pipeline(session, viewer, video.id, [JobKind.PROBE])

        assert [job.kind for job in started] == [JobKind.PROBE]

    async def test_an_unknown_preset_starts_nothing(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project)

        async with db.write() as session:
            with pytest.raises(NotFoundError):
                await videos.start_pipeline(session, viewer, video.id, None, videos.StartOptions(preset_id=uuid7()))

        async with db.read() as session:
            assert await session.scalar(select(func.count()).select_from(Job)) == 0


class TestCreatePreset:
    @pytest.mark.parametrize("name", ["", "x" * 101, "a\u200bb"], ids=ascii)
    async def test_refuses_a_bad_name(self, db: Database, viewer: Viewer, project: Project, name: str) -> None:
        async with db.write() as session:
            with pytest.raises(BadInputError):
                await service.create_preset(session, viewer, project_id=project.id, name=name, options=JobOptions())


class TestUpdateSettings:
    async def test_replaces_them_by_version(self, db: Database, viewer: Viewer, project: Project) -> None:
        await settle(db, viewer, project, JobOptions(language="de"))
        await settle(db, viewer, project, JobOptions(language="fr"))  # on the old version: refused
        await settle(db, viewer, project, JobOptions(moment_count=3), version=2)

        async with db.read() as session:
            row = await session.get_one(Project, project.id)

        assert (row.settings, row.version) == ({"moment_count": 3}, 3)

    @pytest.mark.parametrize(
        "options",
        [
            JobOptions(language="Deutsch"),
            JobOptions(moment_count=0),
            JobOptions(moment_count=51),
            JobOptions(moment_min_ms=999),
            JobOptions(moment_max_ms=600_001),
            JobOptions(moment_min_ms=9_000, moment_max_ms=8_000),
            JobOptions(priority=11),
            JobOptions(steps=()),
            JobOptions(steps=(JobKind.CLIP_EXTRACTION,)),
        ],
        ids=["language", "none", "many", "short", "long", "turned", "priority", "no-step", "no-pipeline"],
    )
    async def test_refuses_what_no_job_could_work_with(
        self, db: Database, viewer: Viewer, project: Project, options: JobOptions
    ) -> None:
        with pytest.raises(BadInputError):
            await settle(db, viewer, project, options)

        async with db.read() as session:
            assert (await session.get_one(Project, project.id)).version == 1

    async def test_only_owners_may(self, db: Database, project: Project) -> None:
        editor = await make_viewer(db)
        await make_member(db, project, editor.user_id, ProjectRole.EDITOR)

        with pytest.raises(ForbiddenError):
            await settle(db, editor, project, JobOptions())


class TestPresets:
    async def test_a_name_is_taken_once_in_a_project(self, db: Database, viewer: Viewer, project: Project) -> None:
        await make_preset(db, viewer, project, " Short  clips ", JobOptions())
        second = await make_preset(db, viewer, project, "Other", JobOptions())

        with pytest.raises(CuepointError) as created:
            await make_preset(db, viewer, project, "Short clips", JobOptions())
        with pytest.raises(CuepointError) as renamed:
            async with db.write() as session:
                await service.update_preset(session, viewer, second.id, version=1, name="Short clips")

        assert (created.value.code, renamed.value.code) == (ErrorCode.NAME_TAKEN, ErrorCode.NAME_TAKEN)
        async with db.read() as session:
            page = await service.list_presets(session, viewer, project.id, PageRequest(10))
            assert await service.count_presets(session, project.id) == 2
        assert [row.name for row in page.rows] == ["Other", "Short clips"]

    async def test_changes_by_version(self, db: Database, viewer: Viewer, project: Project) -> None:
        preset = await make_preset(db, viewer, project, "a", JobOptions(language="de"))

        async with db.write() as session:
            changed = await service.update_preset(session, viewer, preset.id, version=1, name="b")
        async with db.write() as session:
            late = await service.update_preset(session, viewer, preset.id, version=1, options=JobOptions())

        assert (changed.preset.name, changed.preset.version, changed.is_conflict) == ("b", 2, False)
        assert (late.preset.options, late.is_conflict) == ({"language": "de"}, True)

    async def test_a_viewer_looks_and_a_stranger_does_not(self, db: Database, viewer: Viewer, project: Project) -> None:
        preset = await make_preset(db, viewer, project, "a", JobOptions())
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)

        async with db.write() as session:
            assert (await service.get_preset(session, member, preset.id)).name == "a"
            with pytest.raises(ForbiddenError):
                await service.delete_preset(session, member, preset.id)
            with pytest.raises(NotFoundError):
                await service.delete_preset(session, stranger, preset.id)
            await service.delete_preset(session, viewer, preset.id)
            with pytest.raises(NotFoundError):
                await service.get_preset(session, viewer, preset.id)
