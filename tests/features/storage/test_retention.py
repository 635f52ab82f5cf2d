"""Retention: what rules take, what is spared, the same in the preview, and once however many apply them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, ForbiddenError, NotFoundError
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.files.models import FileRemoval
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.storage import retention
from cuepoint.features.storage.models import RetentionRule, RetentionTarget
from cuepoint.features.storage.retention import Rule
from cuepoint.features.storage.tasks import apply_retention
from cuepoint.features.videos.looks import board_file
from cuepoint.features.videos.models import Rendition, RenditionKind, SoundMap, Storyboard, Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import begin_attempt, make_job
from tests.support.builders.clips import make_clip, make_reel
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_video
from tests.support.graphql import api_of

OLD = datetime.now(UTC) - timedelta(days=40)
PICTURES = """query ($id: ID!) { video(id: $id) {
  thumbnail(at: 0) { url } storyboard { tileWidth } blackRanges { nodes { endSeconds } } } }"""
SOUND = """query ($id: ID!) { video(id: $id) {
  waveform { samples } silences { nodes { endSeconds } } speechRanges { nodes { endSeconds } } } }"""
ALL = [Rule(target, 30) for target in RetentionTarget]


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


async def age(db: Database, *tables: str) -> None:
    """Everything in these tables is 40 days old."""
    async with db.write() as session:
        for table in (*tables, "stored_files"):
            await session.execute(text(f"update {table} set created_at = :at"), {"at": OLD})


async def old_video(db: Database, project: Project) -> Video:
    video = await make_video(db, project)
    await make_rendition(
        db, video, RenditionKind.ASR_AUDIO, storage_key=f"projects/{project.id.hex}/audio/{video.id.hex}/a"
    )
    await make_rendition(
        db, video, RenditionKind.POSTER, storage_key=f"projects/{project.id.hex}/thumbnails/{video.id.hex}/p"
    )
    await make_clip(db, video, is_rendered=True)
    await age(db, "videos", "renditions", "clips")
    return video


async def old_reel(db: Database, project: Project, **values: object) -> Reel:
    reel = await make_reel(db, project, is_rendered=True, **values)
    await age(db, "reels")
    return reel


async def set_rules(db: Database, viewer: Viewer, project: Project, *rules: Rule) -> None:
    async with db.write() as session:
        await retention.set_rules(session, viewer, project.id, rules)


async def previewed(
    db: Database, viewer: Viewer, project: Project, rules: list[Rule] | None
) -> list[tuple[RetentionTarget, int]]:
    async with db.read() as session:
        page = await retention.preview(session, viewer, project.id, rules, PageRequest(50))
        total = await retention.count_preview(session, viewer, project.id, rules)
    assert total == len(page.rows)
    return sorted(((found.target, found.size_bytes) for found in page.rows), key=str)


async def apply(db: Database, project: Project, *, trash_days: int = 0) -> int:
    async with db.write() as session:
        return await retention.apply_rules(session, project.id, trash_days=trash_days)


class TestSetRules:
    async def test_replaces_the_rules_of_the_project(self, db: Database, viewer: Viewer, project: Project) -> None:
        await set_rules(db, viewer, project, Rule(RetentionTarget.CLIPS, 5), Rule(RetentionTarget.AUDIO, 6))

        await set_rules(db, viewer, project, Rule(RetentionTarget.AUDIO, 7))

        async with db.read() as session:
            rules = await retention.read_rules(session, viewer, project.id)
        assert rules == [Rule(RetentionTarget.AUDIO, 7)]

    @pytest.mark.parametrize(
        "rules",
        [
            [Rule(RetentionTarget.CLIPS, 0)],
            [Rule(RetentionTarget.CLIPS, 36_501)],
            [Rule(RetentionTarget.CLIPS, 1), Rule(RetentionTarget.CLIPS, 2)],
        ],
        ids=["too young", "too old", "twice"],
    )
    async def test_refuses_what_is_no_rule(
        self, db: Database, viewer: Viewer, project: Project, rules: list[Rule]
    ) -> None:
        with pytest.raises(BadInputError):
            await set_rules(db, viewer, project, *rules)

        async with db.read() as session:
            assert list(await session.scalars(select(RetentionRule))) == []

    async def test_an_editor_and_a_stranger_may_not(self, db: Database, project: Project) -> None:
        editor, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, editor.user_id, ProjectRole.EDITOR)

        with pytest.raises(ForbiddenError):
            await set_rules(db, editor, project, Rule(RetentionTarget.CLIPS, 1))
        with pytest.raises(NotFoundError):
            await set_rules(db, stranger, project, Rule(RetentionTarget.CLIPS, 1))


class TestPreview:
    async def test_shows_what_each_rule_takes(self, db: Database, viewer: Viewer, project: Project) -> None:
        await old_video(db, project)
        await old_reel(db, project)
        fresh = await make_video(db, project)

        found = {rule.target: await previewed(db, viewer, project, [rule]) for rule in ALL}

        assert found == {
            RetentionTarget.VIDEOS: [(RetentionTarget.VIDEOS, 1120)],
            RetentionTarget.CLIPS: [(RetentionTarget.CLIPS, 100)],
            RetentionTarget.REELS: [(RetentionTarget.REELS, 1000)],
            RetentionTarget.AUDIO: [(RetentionTarget.AUDIO, 10)],
            RetentionTarget.THUMBNAILS: [(RetentionTarget.THUMBNAILS, 10)],
            RetentionTarget.PROCESSED: [],
        }
        assert fresh.deleted_at is None

    async def test_without_rules_takes_nothing(self, db: Database, viewer: Viewer, project: Project) -> None:
        await old_video(db, project)

        assert await previewed(db, viewer, project, None) == []
        assert await previewed(db, viewer, project, []) == []

    async def test_changes_nothing(self, db: Database, viewer: Viewer, project: Project) -> None:
        await old_video(db, project)
        await set_rules(db, viewer, project, *ALL)

        assert len(await previewed(db, viewer, project, None)) == 4

        async with db.read() as session:
            assert list(await session.scalars(select(Video.deleted_at))) == [None]
            assert list(await session.scalars(select(FileRemoval.key))) == []

    async def test_a_stranger_sees_none(self, db: Database, project: Project) -> None:
        stranger = await make_viewer(db)

        with pytest.raises(NotFoundError):
            await previewed(db, stranger, project, ALL)


class TestApplyRules:
    async def test_takes_what_the_preview_shows(self, db: Database, viewer: Viewer, project: Project) -> None:
        await old_video(db, project)
        await set_rules(db, viewer, project, Rule(RetentionTarget.CLIPS, 30), Rule(RetentionTarget.AUDIO, 30))

        taken = [await apply(db, project), await apply(db, project)]

        assert taken == [2, 0]
        async with db.read() as session:
            assert list(await session.scalars(select(Clip.id))) == []
            assert list(await session.scalars(select(Rendition.kind))) == [RenditionKind.POSTER]
            assert len(list(await session.scalars(select(FileRemoval.key)))) == 2

    @pytest.mark.parametrize("days", [0, 7])
    async def test_videos_go_as_if_somebody_deleted_them(
        self, db: Database, viewer: Viewer, project: Project, days: int
    ) -> None:
        video = await old_video(db, project)
        await set_rules(db, viewer, project, Rule(RetentionTarget.VIDEOS, 30))

        assert await apply(db, project, trash_days=days) == 1
        assert await apply(db, project, trash_days=days) == 0

        async with db.read() as session:
            row = await session.get_one(Video, video.id)
            kinds = list(await session.scalars(select(Job.kind)))
        assert row.deleted_at is not None
        assert (row.purge_at is not None, kinds) == (bool(days), [] if days else [JobKind.VIDEO_DELETION])

    async def test_spares_what_is_protected(self, db: Database, viewer: Viewer, project: Project) -> None:
        video, with_clip = await old_video(db, project), await old_video(db, project)
        await set_rules(db, viewer, project, *ALL)
        async with db.write() as session:
            await retention.protect_video(session, viewer, video.id, is_protected=True)
            clip = await session.scalar(select(Clip.id).where(Clip.video_id == with_clip.id))
            assert clip is not None
            await retention.protect_clip(session, viewer, clip, is_protected=True)

        taken = await apply(db, project)

        async with db.read() as session:
            assert list(await session.scalars(select(Video.deleted_at))) == [None, None]
            assert len(list(await session.scalars(select(Clip.id)))) == 2
        assert taken == 2  # the sound and the poster of the second video

    async def test_spares_what_a_job_works_with(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await old_video(db, project)
        await make_job(db, JobKind.TRANSCRIPTION, video, status=JobStatus.RUNNING)
        await set_rules(db, viewer, project, *ALL)

        assert await apply(db, project) == 0

    async def test_clips_and_reels_go_through_the_trash(self, db: Database, viewer: Viewer, project: Project) -> None:
        await old_video(db, project)
        await old_reel(db, project)
        await set_rules(db, viewer, project, Rule(RetentionTarget.CLIPS, 30), Rule(RetentionTarget.REELS, 30))

        assert [await apply(db, project, trash_days=7), await apply(db, project, trash_days=7)] == [2, 0]

        async with db.read() as session:
            kept = [await session.scalar(select(kind.purge_at - kind.deleted_at)) for kind in (Clip, Reel)]
            going = list(await session.scalars(select(FileRemoval.key)))
        assert (kept, going) == ([timedelta(days=7)] * 2, [])

    async def test_takes_reels_and_pictures_with_their_files(
        self, db: Database, viewer: Viewer, project: Project
    ) -> None:
        await old_video(db, project)
        waiting = await make_job(db, JobKind.REEL_RENDERING, project_id=project.id)
        reel, unfinished = await old_reel(db, project), await old_reel(db, project, job_id=waiting.id)
        await set_rules(db, viewer, project, Rule(RetentionTarget.REELS, 30), Rule(RetentionTarget.THUMBNAILS, 30))
        before = await previewed(db, viewer, project, None)

        assert [await apply(db, project), await apply(db, project)] == [2, 0]

        async with db.read() as session:
            left = list(await session.scalars(select(Reel.id)))
            kinds = list(await session.scalars(select(Rendition.kind)))
            going = set(await session.scalars(select(FileRemoval.key)))
        assert before == [(RetentionTarget.REELS, 1000), (RetentionTarget.THUMBNAILS, 10)]
        assert (left, kinds) == ([unfinished.id], [RenditionKind.ASR_AUDIO])
        assert {reel.storage_key} < going
        assert len(going) == 2

    async def test_what_pictures_showed_stays_known(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project
    ) -> None:
        video = await old_video(db, project)
        board = await make_rendition(
            db, video, RenditionKind.STORYBOARD, storage_key=f"projects/{project.id.hex}/thumbnails/{video.id.hex}/s"
        )
        grid = {"tile_width": 1, "tile_height": 1, "columns": 1, "rows": 1, "interval_ms": 1, "step_ms": 40}
        ends = {"sheet_ends": [1], "tile_ends": [2], "black_ranges": [0, 500], "freeze_ranges": []}
        async with db.write() as session:
            known = {"hashes": b"12345678", "bands": [1, 2]}
            session.add(Storyboard(video_id=video.id, rendition_id=board.id, **grid, **ends, **known))
        await age(db, "renditions")
        await set_rules(db, viewer, project, Rule(RetentionTarget.THUMBNAILS, 30))

        assert await apply(db, project) == 2

        seen = await api_of(db, settings, viewer).data(PICTURES, {"id": encode_id("Video", video.id)})
        async with db.read() as session:
            row = await session.get_one(Storyboard, video.id)
            assert await board_file(session, video.id) is None
        assert (row.rendition_id, row.hashes, row.bands) == (None, b"12345678", [1, 2])
        black = {"nodes": [{"endSeconds": 0.5}]}
        assert seen["video"] == {"thumbnail": None, "storyboard": None, "blackRanges": black}

    async def test_where_nothing_was_to_be_heard_stays_known(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project
    ) -> None:
        video = await old_video(db, project)
        wave = await make_rendition(
            db, video, RenditionKind.WAVEFORM, storage_key=f"projects/{project.id.hex}/audio/{video.id.hex}/w"
        )
        async with db.write() as session:
            known = {"samples": 16_000, "start_ms": 0, "silences": [0, 500], "sounds": [500, 1000]}
            session.add(SoundMap(video_id=video.id, rendition_id=wave.id, **known))
        await age(db, "renditions")
        await set_rules(db, viewer, project, Rule(RetentionTarget.AUDIO, 30))

        assert await apply(db, project) == 2

        heard = await api_of(db, settings, viewer).data(SOUND, {"id": encode_id("Video", video.id)})
        span = {"nodes": [{"endSeconds": 0.5}]}
        assert heard["video"] == {"waveform": None, "silences": span, "speechRanges": {"nodes": [{"endSeconds": 1.0}]}}

    async def test_spares_what_cannot_be_made_again(self, db: Database, viewer: Viewer, project: Project) -> None:
        await old_video(db, project)
        async with db.write() as session:
            await session.execute(text("update videos set files_removed_at = now()"))
        derived = (RetentionTarget.AUDIO, RetentionTarget.THUMBNAILS, RetentionTarget.PROCESSED)
        await set_rules(db, viewer, project, *[Rule(target, 30) for target in derived])

        assert await apply(db, project) == 0
        assert await previewed(db, viewer, project, None) == []

    async def test_spares_a_poster_that_was_uploaded(self, db: Database, viewer: Viewer, project: Project) -> None:
        chosen, _ = [await old_video(db, project) for _ in range(2)]
        await make_rendition(db, chosen, RenditionKind.POSTER_SMALL, storage_key="projects/p/thumbnails/v/small")
        await age(db, "renditions")
        async with db.write() as session:
            mine = update(Video).where(Video.id == chosen.id).values(poster_upload_id=uuid7())
            await session.execute(mine)
        await set_rules(db, viewer, project, Rule(RetentionTarget.THUMBNAILS, 30))
        before = await previewed(db, viewer, project, None)

        assert (before, await apply(db, project)) == ([(RetentionTarget.THUMBNAILS, 10)], 1)

        async with db.read() as session:
            posters = Rendition.kind.in_([RenditionKind.POSTER, RenditionKind.POSTER_SMALL])
            left = await session.scalars(select(Rendition.video_id).where(posters))
            assert list(left) == [chosen.id, chosen.id]

    async def test_two_at_once_take_everything_once(self, db: Database, viewer: Viewer, project: Project) -> None:
        for _ in range(4):
            await old_video(db, project)
        await set_rules(db, viewer, project, Rule(RetentionTarget.VIDEOS, 30))

        await asyncio.gather(apply(db, project), apply(db, project))
        await apply(db, project)

        async with db.read() as session:
            jobs = list(await session.scalars(select(Job.video_id)))
        assert len(jobs) == len(set(jobs)) == 4


class TestTask:
    async def test_applies_the_rules_of_every_project_in_use(
        self, db: Database, settings: Settings, viewer: Viewer, project: Project
    ) -> None:
        second, archived, without = [await make_project(db, owner_id=viewer.user_id) for _ in range(3)]
        for one in (project, second, archived, without):
            await old_video(db, one)
        for one in (project, second, archived):
            await set_rules(db, viewer, one, Rule(RetentionTarget.CLIPS, 30))
        async with db.write() as session:
            await session.execute(text("update projects set archived_at = now() where id = :id"), {"id": archived.id})
        context, control = await begin_attempt(db, settings, JobKind.RETENTION)

        result = await apply_retention(context)

        assert result == {"projects": 2, "removed": 2}
        async with db.read() as session:
            left = set(await session.scalars(select(Clip.project_id)))
        assert left == {archived.id, without.id}
        assert control.reports
