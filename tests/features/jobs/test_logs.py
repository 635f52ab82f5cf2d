"""Logs of jobs as clients see them, and the time left by measured speed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.job_logs import Said, save_logs
from cuepoint.features.jobs.models import Job, JobKind, JobSpeed, JobStatus
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders import attempts
from tests.support.builders.jobs import make_job, make_project, make_video, make_viewer
from tests.support.graphql import api_of

LOGS = """query { jobs(first: 10, orderBy: CREATED_ASC) { nodes { id isSkipped logs { attempt text isCut } } } }"""
ONE = "query ($id: ID!) { job(id: $id) { etaSeconds logs { text } } }"
PIPELINE = "query ($id: ID!) { video(id: $id) { pipeline { progress etaSeconds } } }"


class TestLogs:
    async def test_members_read_them_attempt_by_attempt(
        self, db: Database, sql: Any, settings: Settings, project: UUID, viewer: Viewer
    ) -> None:
        job, quiet = await make_job(db, project_id=project), await make_job(db, project_id=project)
        await save_logs(sql, [Said(job.id, 1, "first\n", is_cut=False), Said(job.id, 2, "second\n", is_cut=True)])
        stranger = await make_viewer(db, await make_project(db))

        found = (await api_of(db, settings, viewer).data(LOGS))["jobs"]["nodes"]
        hidden = await api_of(db, settings, stranger).data(ONE, {"id": encode_id("Job", job.id)})

        assert [(one["id"], one["isSkipped"], one["logs"]) for one in found] == [
            (
                encode_id("Job", job.id),
                False,
                [
                    {"attempt": 1, "text": "first\n", "isCut": False},
                    {"attempt": 2, "text": "second\n", "isCut": True},
                ],
            ),
            (encode_id("Job", quiet.id), False, []),
        ]
        assert hidden == {"job": None}

    async def test_one_statement_for_all_jobs(
        self, db: Database, settings: Settings, project: UUID, viewer: Viewer
    ) -> None:
        api = api_of(db, settings, viewer)
        await make_job(db, project_id=project)
        one = await api.statements(LOGS)
        for _ in range(4):
            await make_job(db, project_id=project)

        assert await api.statements(LOGS) == one


class TestTimeLeft:
    async def test_by_the_measured_speed_and_null_without_one(
        self, db: Database, sql: Any, settings: Settings, project: UUID, viewer: Viewer
    ) -> None:
        video = await make_video(db, project)
        begun = datetime.now(UTC) - timedelta(seconds=10)
        running = await attempts.make_job(db, JobKind.TRANSCRIPTION, status=JobStatus.RUNNING, started_at=begun)
        async with db.write() as session:
            await session.execute(update(Video).values(duration_ms=100_000))
            await session.execute(update(Job).values(video_id=video, project_id=project))
        api = api_of(db, settings, viewer)
        job, of_video = {"id": encode_id("Job", running.id)}, {"id": encode_id("Video", video)}

        unknown = [(await api.data(ONE, job))["job"], (await api.data(PIPELINE, of_video))["video"]]
        async with db.write() as session:
            values = {"kind": "TRANSCRIPTION", "run_seconds": 9, "seconds_per_media_second": 0.5, "samples": 9}
            await session.execute(insert(JobSpeed).values(**values))
        known = [(await api.data(ONE, job))["job"], (await api.data(PIPELINE, of_video))["video"]]
        await sql.execute("delete from jobs")  # a row without events

        assert (unknown[0]["etaSeconds"], unknown[1]["pipeline"]) == (None, {"progress": 0, "etaSeconds": None})
        assert 35 < known[0]["etaSeconds"] <= 40
        assert 35 < known[1]["pipeline"]["etaSeconds"] <= 40
