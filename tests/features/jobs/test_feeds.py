"""Feeds of many jobs: the snapshot first, then every event of every job once and in order."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cuepoint.adapters.live.redis import RedisLive
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.announce import job_messages
from cuepoint.features.jobs.claims import Outcome, succeed
from cuepoint.features.jobs.cursors import Cursor
from cuepoint.features.jobs.feed_requests import _TESTS, FeedRequest
from cuepoint.features.jobs.feeds import VideoResult
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.jobs.progress import ProgressMessage
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.viewer import Viewer
from tests.support.builders.jobs import make_video
from tests.support.feeds import FeedReader, churn, gapless, hub_on, publish, revive
from tests.support.jobs import make, run, take


class TestWatchFeed:
    async def test_snapshot_then_cursor_then_every_event(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        await run(sql, worker, await make(sql, project_id=project))
        old = await make(sql, project_id=project)
        async with hub_on(db, live) as hub:
            reader = await FeedReader(hub, viewer, JobFilter(project_id=project)).caught_up()
            assert reader.snapshot == {old: 1}
            assert [update.job is None for update in reader.updates] == [False, True]
            new = await make(sql, project_id=project)
            last = await churn(sql, worker, live, 3)
            await reader.has_events(last)
            await reader.stop()

        assert reader.numbers == {old: list(range(2, 10)), new: list(range(1, 10))}
        assert reader.updates[-1].update is not None
        assert reader.updates[-1].update.progress == 1.0

    async def test_resume_brings_what_was_missed_once(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        jobs = [await make(sql, project_id=project) for _ in range(5)]
        async with hub_on(db, live) as hub, hub_on(db, live) as other:
            start = Cursor(datetime(2026, 1, 1, tzinfo=UTC)).encode(FeedRequest(viewer, JobFilter()).name)
            numbers: dict[UUID, list[int]] = {job: [] for job in jobs}
            cursor: str | None = start
            for rounds, served_by in ((1, hub), (0, other), (2, hub)):
                reader = await FeedReader(served_by, viewer, after=cursor).caught_up()
                await churn(sql, worker, live, rounds, Outcome.PERMANENT)
                await reader.until(lambda r: sum(map(len, r.numbers.values())) >= 3)
                cursor = await reader.stop()
                for job, seen in reader.numbers.items():
                    numbers[job] += seen
                await revive(sql, jobs)
            last = await churn(sql, worker, None, 0)
            reader = await FeedReader(other, viewer, after=cursor).has_events(last)
            await reader.stop()
            for job, seen in reader.numbers.items():
                numbers[job] += seen

        assert gapless(numbers, last)

    async def test_of_progress_the_newest_wins(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        await make(sql, project_id=project)
        [claimed] = await take(sql, worker)
        job = claimed.fence.job_id
        async with hub_on(db, live, safety_seconds=60) as hub:
            reader = await FeedReader(hub, viewer, pause=0.05).caught_up()
            for step in range(1, 51):
                message = ProgressMessage(1, claimed.change.at, step / 100, "x", None, None, 3.0)
                await live.publish(job_messages([message.item(job)]))
            await reader.until(lambda r: r.updates[-1].update and r.updates[-1].update.progress == 0.5)
            await publish(live, await succeed(sql, [(claimed.fence, None)]))
            await reader.has_events({job: 3})
            await reader.stop()

        shown = [update.update.progress for update in reader.updates if update.update]
        assert shown == sorted(shown)
        assert len(shown) < 20

    async def test_an_idle_feed_keeps_a_cursor_that_misses_nothing(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        async with hub_on(db, live) as hub:
            cursor = await (await FeedReader(hub, viewer).caught_up()).stop()
        job = await make(sql, project_id=project)
        await run(sql, worker, job)
        async with hub_on(db, live) as hub:
            reader = await FeedReader(hub, viewer, after=cursor).has_events({job: 3})
            await reader.stop()

        assert reader.numbers == {job: [1, 2, 3]}
        assert reader.snapshot == {job: 3}

    async def test_results_of_a_video_are_told(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        video, other = await make_video(db, project), await make_video(db, project)
        async with hub_on(db, live) as hub:
            reader = await FeedReader(hub, viewer, JobFilter(video_id=video)).caught_up()
            kinds = (JobKind.PROBE, JobKind.TRANSCRIPTION, JobKind.MOMENT_GENERATION, JobKind.CLIP_EXTRACTION)
            jobs = [await make(sql, kind, project_id=project, video_id=video, lane="io") for kind in kinds]
            unrelated = await make(sql, project_id=project, video_id=other)
            last = await churn(sql, worker, live, 0)
            assert last.pop(unrelated) == 3
            await reader.has_events(last)
            await reader.stop()

        results = [update.result for update in reader.updates if update.result]
        assert sorted(results, key=lambda result: result.name) == [
            VideoResult.CLIP,
            VideoResult.MEDIA,
            VideoResult.MOMENTS,
            VideoResult.TRANSCRIPT,
        ]
        assert set(reader.numbers) == set(jobs)

    async def test_the_filter_lets_through_what_it_names(
        self, sql: Any, worker: UUID, db: Database, live: RedisLive, project: UUID, viewer: Viewer
    ) -> None:
        wanted = JobFilter(status=(JobStatus.SUCCEEDED,), kind=(JobKind.PROBE,))
        async with hub_on(db, live) as hub:
            reader = await FeedReader(hub, viewer, wanted).caught_up()
            probe = await make(sql, project_id=project)
            await make(sql, JobKind.TRANSCRIPTION, project_id=project, lane="io")
            await churn(sql, worker, live, 0)
            await reader.has_events({probe: 3})
            await reader.stop()

        assert reader.numbers == {probe: [3]}


class TestFeedRequest:
    def test_every_field_of_the_filter_is_asked(self) -> None:
        combining = {"all_of", "any_of", "none_of"}  # a feed takes none of them

        assert set(_TESTS) == {field.name for field in fields(JobFilter)} - combining

    def test_cursors_do_not_depend_on_the_order_of_the_filter(self) -> None:
        viewer = Viewer(uuid7(), False)
        one = JobFilter(status=(JobStatus.QUEUED, JobStatus.FAILED))
        other = JobFilter(status=(JobStatus.FAILED, JobStatus.QUEUED))

        assert FeedRequest(viewer, one).name == FeedRequest(viewer, other).name
        assert FeedRequest(viewer, one).name != FeedRequest(viewer, JobFilter()).name
