"""Forms, batches, rules and reels as clients see them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from cuepoint.adapters.media.forms import CaptionForm, ClipForm
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.clips.models import CaptionFormat, Clip, ClipFile, Reel, ReelItem
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.attempts import make_job
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_member
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.graphql import Api, api_of
from tests.support.rows import count

CREATE = """mutation ($input: CreateClipInput!) { createClip(input: $input) {
  clip { requestedMode mode modeReason snappedRange { startSeconds endSeconds } keptRanges { startSeconds endSeconds }
    output { format resolution frameRate quality fadeInSeconds fadeOutSeconds loudness aspect fit
      keyframes { atSeconds x y } captions { mode style position highlightWords } } }
  errors { code field message } } }"""
MANY = """mutation ($input: CreateClipsInput!) { createClips(input: $input) {
  batch { id total counts { status count } } items { index clip { title output { resolution } } error { code field } }
  errors { code field } } }"""
AUTO = """mutation ($input: AutoClipsInput!) { autoClips(input: $input) {
  batch { total } items { clip { requestedRange { startSeconds endSeconds } } } errors { code field } } }"""
REEL = """mutation ($input: CreateReelInput!) { createReel(input: $input) {
  reel { id title crossFadeSeconds transitions { transition durationSeconds } url output { loudness }
    items { position range { startSeconds } video { id } clip { id } } }
  job { kind } errors { code field } } }"""
REELS = """query ($first: Int!) { reels(first: $first) { totalCount nodes { title url job { kind }
  items { video { title } clip { title } } } } }"""
READ = """query ($id: ID!, $seconds: Int) { clip(id: $id) { url(expiresIn: $seconds, download: true)
  captionFiles { format sizeBytes url } } }"""


def of(video: Video, **values: Any) -> dict[str, Any]:
    return {"videoId": encode_id("Video", video.id), **values}


class TestCreateClip:
    async def test_takes_a_whole_form(self, db: Database, api: Api, video: Video) -> None:
        await make_transcript(db, video, "One two three.")
        output = {
            "format": "WEBM",
            "resolution": 720,
            "frameRate": 29.97,
            "quality": "HIGH",
            "fadeIn": 0.5,
            "fadeOut": "00:00:01",
            "loudness": -16,
            "aspect": "R9_16",
            "fit": "KEYFRAMES",
            "keyframes": [{"at": 0, "x": 0.25}, {"at": 2.5, "x": 0.75, "y": 0.4}],
            "captions": {"mode": "BURN", "style": "BOX", "position": "TOP", "highlightWords": True},
        }

        payload = (await api.data(CREATE, {"input": of(video, start=0, end=4, output=output)}))["createClip"]

        assert payload["errors"] == []
        assert payload["clip"]["output"] == {
            "format": "WEBM",
            "resolution": 720,
            "frameRate": 29.97,
            "quality": "HIGH",
            "fadeInSeconds": 0.5,
            "fadeOutSeconds": 1.0,
            "loudness": -16.0,
            "aspect": "R9_16",
            "fit": "KEYFRAMES",
            "keyframes": [{"atSeconds": 0.0, "x": 0.25, "y": 0.5}, {"atSeconds": 2.5, "x": 0.75, "y": 0.4}],
            "captions": {"mode": "BURN", "style": "BOX", "position": "TOP", "highlightWords": True},
        }
        async with db.read() as session:
            row = (await session.execute(select(Clip))).scalar_one()
        assert row.form["frame_rate"] == "30000/1001"

    async def test_a_plain_cut_has_a_plain_form(self, api: Api, video: Video) -> None:
        clip = (await api.data(CREATE, {"input": of(video, start=0, end=4)}))["createClip"]["clip"]

        assert (clip["requestedMode"], clip["mode"], clip["modeReason"], clip["keptRanges"]) == (
            "SMART",
            "SMART",
            None,
            None,
        )
        assert (clip["output"]["format"], clip["output"]["captions"], clip["output"]["keyframes"]) == ("MP4", None, [])

    async def test_snaps_and_leaves_silences_out(self, db: Database, api: Api, video: Video) -> None:
        await make_transcript(db, video, "One two three.", "Four five six.")
        asked = of(video, start=0.3, end=1.5, snap="SENTENCE", removeSilences={"minSilence": 0.3, "margin": 0.1})

        clip = (await api.data(CREATE, {"input": asked}))["createClip"]["clip"]

        assert clip["snappedRange"] == {"startSeconds": 0.0, "endSeconds": 2.2}
        assert clip["keptRanges"] == [
            {"startSeconds": 0.0, "endSeconds": 1.0},
            {"startSeconds": 1.2, "endSeconds": 2.2},
        ]

    @pytest.mark.parametrize(
        ("values", "code", "field"),
        [
            ({"output": {"resolution": 361}}, "BAD_USER_INPUT", ["output", "resolution"]),
            ({"output": {"fit": "BLUR"}}, "CONFLICTING_OPTIONS", ["output", "fit"]),
            ({"mode": "FAST", "output": {"quality": "LOW"}}, "CONFLICTING_OPTIONS", ["mode"]),
            ({"output": {"captions": {}}}, "NOT_READY", []),
        ],
        ids=str,
    )
    async def test_refuses_options_and_changes_nothing(
        self, db: Database, api: Api, video: Video, values: dict[str, Any], code: str, field: list[str]
    ) -> None:
        payload = (await api.data(CREATE, {"input": of(video, start=0, end=4, **values)}))["createClip"]

        assert [(error["code"], error["field"]) for error in payload["errors"]] == [(code, field)]
        assert await count(db, Clip) == 0


class TestCreateClips:
    async def test_answers_for_each_item(self, db: Database, api: Api, video: Video) -> None:
        items = [
            of(video, start=0, end=1, title="A"),
            of(video, start=80, end=90),
            {"videoId": "nonsense", "start": 0, "end": 1},
            of(video, start=1, end=2, title="B", output={"resolution": 90}),
        ]

        payload = (await api.data(MANY, {"input": {"items": items, "output": {"resolution": 180}}}))["createClips"]

        assert [item["error"] and item["error"]["code"] for item in payload["items"]] == [
            None,
            "RANGE_OUTSIDE_MEDIA",
            "NOT_FOUND",
            None,
        ]
        assert [item["clip"] and item["clip"]["output"]["resolution"] for item in payload["items"]] == [
            180,
            None,
            None,
            90,
        ]
        assert payload["batch"]["counts"] == [{"status": "QUEUED", "count": 2}]

    async def test_can_reject_everything(self, db: Database, api: Api, video: Video) -> None:
        items = [of(video, start=0, end=1), of(video, start=80, end=90)]

        payload = (await api.data(MANY, {"input": {"items": items, "errorPolicy": "REJECT_EVERYTHING"}}))["createClips"]

        assert payload["errors"] == [{"code": "RANGE_OUTSIDE_MEDIA", "field": ["items", "1", "end"]}]
        assert await count(db, Clip) == 0

    async def test_takes_the_moments_of_a_video(self, db: Database, api: Api, video: Video) -> None:
        for priority, title in ((2, "Second"), (1, "First")):
            await make_moment(db, video, priority=priority, title=title)

        payload = (await api.data(MANY, {"input": {"momentsOf": encode_id("Video", video.id)}}))["createClips"]

        assert [item["clip"]["title"] for item in payload["items"]] == ["First", "Second"]

    async def test_wants_one_of_both(self, api: Api, video: Video) -> None:
        for given in ({}, {"items": [], "momentsOf": encode_id("Video", video.id)}, {"items": []}):
            payload = (await api.data(MANY, {"input": given}))["createClips"]

            assert payload["errors"] == [{"code": "BAD_USER_INPUT", "field": ["items"]}]


class TestAutoClips:
    async def test_cuts_by_the_rule(self, api: Api, video: Video) -> None:
        given = of(video, clipDuration=40, overlap=0, respectSentences=False)

        payload = (await api.data(AUTO, {"input": given}))["autoClips"]

        assert [item["clip"]["requestedRange"]["endSeconds"] for item in payload["items"]] == [40.0, 80.0, 81.5]
        assert payload["batch"]["total"] == 3

    async def test_says_why_there_are_too_few(self, db: Database, api: Api, video: Video) -> None:
        payload = (await api.data(AUTO, {"input": of(video, clipDuration=60, minClips=5)}))["autoClips"]

        assert payload["errors"] == [{"code": "RANGE_OUTSIDE_MEDIA", "field": ["minClips"]}]
        assert await count(db, Clip) == 0

    async def test_a_refusal_names_what_the_input_has(self, db: Database, api: Api, video: Video) -> None:
        await make_moment(db, video)
        odd = {"output": {"resolution": 91}}
        of_moments = {"momentsOf": encode_id("Video", video.id), "errorPolicy": "REJECT_EVERYTHING"}

        by_rule = (await api.data(AUTO, {"input": of(video, **odd)}))["autoClips"]
        by_moments = (await api.data(MANY, {"input": {**of_moments, **odd}}))["createClips"]

        refused = [{"code": "BAD_USER_INPUT", "field": ["output", "resolution"]}]
        assert (by_rule["errors"], by_moments["errors"]) == (refused, refused)


class TestClip:
    async def test_urls_last_as_long_as_asked(self, db: Database, api: Api, video: Video) -> None:
        clip = await make_clip(db, video, is_rendered=True, form=ClipForm(captions=CaptionForm()).to_json())
        key = f"projects/{video.project_id.hex}/exports/{video.id.hex}/first-second-000000000000.vtt"
        async with db.write() as session:
            row = {"clip_id": clip.id, "project_id": clip.project_id, "video_id": clip.video_id}
            session.add(ClipFile(format=CaptionFormat.VTT, storage_key=key, size_bytes=12, **row))

        found = (await api.data(READ, {"id": encode_id("Clip", clip.id), "seconds": 120}))["clip"]

        assert found["url"].endswith("&download")
        (file,) = found["captionFiles"]
        assert (file["format"], file["sizeBytes"]) == ("VTT", 12)
        assert "/media/captions/" in file["url"]
        assert "/first-second.vtt?" in file["url"]
        for wrong in (59, 604_801):
            assert await api.codes(READ, {"id": encode_id("Clip", clip.id), "seconds": wrong}) == ["BAD_USER_INPUT"]


COUNTS = "query ($id: ID!) { clipCounts(videoId: $id) { status count } }"
STATUS = "query ($id: ID!) { clip(id: $id) { status problem { code message } } }"
FAILURE = {"code": "RENDER_FAILED", "message": "The clip could not be rendered.", "retryable": False}


class TestStatus:
    @pytest.mark.parametrize(
        ("is_rendered", "job", "status", "problem"),
        [
            (False, JobStatus.QUEUED, "WAITING", None),
            (False, JobStatus.RUNNING, "RENDERING", None),
            (
                False,
                JobStatus.FAILED,
                "FAILED",
                {"code": "RENDER_FAILED", "message": "The clip could not be rendered."},
            ),
            (
                False,
                JobStatus.CANCELLED,
                "FAILED",
                {"code": "JOB_CANCELLED", "message": "The job was cancelled before it had made anything."},
            ),
            (
                False,
                None,
                "FAILED",
                {
                    "code": "NOT_FOUND",
                    "message": "The job that was to make it was deleted. Ask for the clip again.",
                },
            ),
            (True, JobStatus.SUCCEEDED, "READY", None),
            (True, JobStatus.RUNNING, "READY", None),
        ],
        ids=str,
    )
    async def test_follows_from_file_and_job(
        self,
        db: Database,
        api: Api,
        video: Video,
        is_rendered: bool,
        job: JobStatus | None,
        status: str,
        problem: object,
    ) -> None:
        job_id = None
        if job is not None:
            error = FAILURE if job in {JobStatus.FAILED, JobStatus.CANCELLED} else None  # of its first attempt
            job_id = (await make_job(db, JobKind.CLIP_EXTRACTION, video, status=job, error=error)).id
        clip = await make_clip(db, video, is_rendered=is_rendered, job_id=job_id)

        found = (await api.data(STATUS, {"id": encode_id("Clip", clip.id)}))["clip"]
        counts = (await api.data(COUNTS, {"id": encode_id("Video", video.id)}))["clipCounts"]

        assert found == {"status": status, "problem": problem}
        assert counts == [{"status": status, "count": 1}]

    async def test_strangers_see_no_counts(self, db: Database, settings: Settings, video: Video) -> None:
        stranger = api_of(db, settings, await make_viewer(db))

        assert await stranger.codes(COUNTS, {"id": encode_id("Video", video.id)}) == ["NOT_FOUND"]


class TestCreateReel:
    async def test_joins_ranges_moments_and_clips(self, db: Database, api: Api, project: Project, video: Video) -> None:
        moment, clip = await make_moment(db, video), await make_clip(db, video, is_rendered=True)
        items = [
            of(video, start="00:00:01", end=3),
            {"momentId": encode_id("Moment", moment.id)},
            {"clipId": encode_id("Clip", clip.id)},
        ]
        given = {
            "projectId": encode_id("Project", project.id),
            "items": items,
            "crossFade": 0.5,
            "title": "Best of",
            "output": {"loudness": -16},
        }

        payload = (await api.data(REEL, {"input": given}))["createReel"]

        reel = payload["reel"]
        assert payload["errors"] == []
        assert (reel["title"], reel["crossFadeSeconds"], reel["url"], reel["output"]) == (
            "Best of",
            0.5,
            None,
            {"loudness": -16.0},
        )
        assert [(item["position"], item["range"]["startSeconds"]) for item in reel["items"]] == [
            (0, 1.0),
            (1, 4.0),
            (2, 0.0),
        ]
        assert reel["transitions"] == [{"transition": "CROSS_FADE", "durationSeconds": 0.5}]
        assert reel["items"][2]["clip"] == {"id": encode_id("Clip", clip.id)}
        assert payload["job"] == {"kind": "REEL_RENDERING"}

    async def test_shows_the_transitions_that_were_asked_for(self, api: Api, project: Project, video: Video) -> None:
        given = {
            "projectId": encode_id("Project", project.id),
            "items": [of(video, start=at, end=at + 2) for at in (0, 3, 6)],
            "transitions": [{"transition": "WIPE_LEFT", "duration": 0.25}, {"transition": "CUT"}],
        }

        reel = (await api.data(REEL, {"input": given}))["createReel"]["reel"]

        assert reel["transitions"] == [
            {"transition": "WIPE_LEFT", "durationSeconds": 0.25},
            {"transition": "CUT", "durationSeconds": 0.0},
        ]
        assert (reel["crossFadeSeconds"], reel["output"]) == (0.0, {"loudness": None})

    async def test_a_refusal_names_the_item(self, db: Database, api: Api, project: Project, video: Video) -> None:
        given = {
            "projectId": encode_id("Project", project.id),
            "items": [of(video, start=0, end=2), of(video, start=80, end=90)],
        }

        payload = (await api.data(REEL, {"input": given | {"order": "SOURCE_TIME"}}))["createReel"]

        assert payload["errors"] == [{"code": "RANGE_OUTSIDE_MEDIA", "field": ["items", "1", "end"]}]
        assert (await count(db, Reel), await count(db, ReelItem)) == (0, 0)

    @pytest.mark.parametrize("name", ["videoId", "momentId", "clipId"])
    async def test_an_id_that_is_none_names_the_item(self, api: Api, project: Project, video: Video, name: str) -> None:
        items = [of(video, start=0, end=2), {name: "nonsense"}]
        given = {"projectId": encode_id("Project", project.id), "items": items}

        payload = (await api.data(REEL, {"input": given}))["createReel"]

        assert payload["errors"] == [{"code": "NOT_FOUND", "field": ["items", "1", name]}]

    async def test_viewers_may_not(self, db: Database, settings: Settings, project: Project, video: Video) -> None:
        member = await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        given = {"projectId": encode_id("Project", project.id), "items": [of(video, start=0, end=2)]}

        assert await api_of(db, settings, member).codes(REEL, {"input": given}) == ["FORBIDDEN"]
        assert await count(db, Reel) == 0


class TestReels:
    async def test_statements_do_not_grow_with_the_page(
        self, db: Database, api: Api, project: Project, video: Video
    ) -> None:
        for number in range(5):
            clip = await make_clip(db, video, is_rendered=True, title=f"C{number}")
            job = await make_job(db, JobKind.REEL_RENDERING)
            reel = Reel(id=uuid7(), project_id=project.id, title=f"R{number}", job_id=job.id)
            times = {"start_ms": 0, "end_ms": 1_000, "video_id": video.id}
            async with db.write() as session:
                session.add(reel)
                await session.flush()
                session.add_all(
                    [
                        ReelItem(reel_id=reel.id, position=0, **times),
                        ReelItem(reel_id=reel.id, position=1, clip_id=clip.id, **times),
                    ]
                )
        await api.statements(REELS, {"first": 1})

        one = await api.statements(REELS, {"first": 1})
        five = await api.statements(REELS, {"first": 5})

        found = (await api.data(REELS, {"first": 5}))["reels"]
        assert [node["title"] for node in found["nodes"]] == ["R0", "R1", "R2", "R3", "R4"]
        assert found["nodes"][4]["items"][1]["clip"] == {"title": "C4"}
        assert one == five == 5  # page with total, jobs, items, videos, clips
