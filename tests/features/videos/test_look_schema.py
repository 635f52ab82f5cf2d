"""Storyboard, maps of pictures, posters, playback and audio files as clients see them."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.adapters.media.base_looks import StoryboardPack
from cuepoint.adapters.media.fake import fake_media_info
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.jobs.models import Job
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.features.videos import looks
from cuepoint.features.videos.models import AudioFile, Rendition, RenditionKind, Storyboard, Video
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_upload, make_video
from tests.support.graphql import Api, api_of
from tests.support.rows import count

LOOKS = """query ($id: ID!) { video(id: $id) {
  storyboard { tileWidth tileHeight columns rows intervalSeconds tileCount sheets { url } vttUrl }
  thumbnail(at: 7.5) { url atSeconds width height } small: thumbnail(at: 7.5, width: 100) { url width height }
  middle: thumbnail(at: 7.5, width: 161) { width } poster(width: 400) { width } large: poster { width }
  blackRanges { totalCount nodes { startSeconds endSeconds accuracySeconds } }
  freezeRanges(minDuration: 3) { totalCount } } }"""
PLAY = """query ($id: ID!) { video(id: $id) { playback { kind contentType url expiresAt }
  original: playback(kind: ORIGINAL) { contentType } proxy: playback(kind: PROXY) { contentType } proxyReason } }"""
ARTIFACTS = """query ($id: ID!) { video(id: $id) {
  artifacts { kind contentType sizeBytes createdAt url } } }"""
POSTER = "mutation ($input: SetPosterInput!) { setPoster(input: $input) { job { kind } errors { code field } } }"
PROXY = "mutation ($input: CreateProxyInput!) { createProxy(input: $input) { job { id kind } errors { code field } } }"
AUDIO = """mutation ($input: ExtractAudioInput!) { extractAudio(input: $input) {
  audioFile { id format quality trackIndex isNormalized url job { kind } } errors { code field } } }"""
MANY = """query ($first: Int!) { videos(first: $first) { nodes { storyboard { tileCount } silences { totalCount }
  playback { kind } proxy: playback(kind: PROXY) { kind } poster { url } artifacts { kind }
  audioFiles { totalCount nodes { id } } } } }"""

PACK = StoryboardPack(
    tile_width=320,
    tile_height=180,
    columns=10,
    rows=10,
    interval_ms=2000,
    sheet_ends=(100, 150),
    tile_ends=tuple(150 + 10 * number for number in range(1, 103)),
    small_ends=tuple(1170 + 4 * number for number in range(1, 103)),
    hashes=bytes(8 * 102),
    step_ms=1960,
    black_ranges=(0, 2000, 8000, 8500),
    freeze_ranges=(10_000, 12_000, 20_000, 24_000),
)


def rendition(video: Video, kind: RenditionKind, content_type: str = "image/jpeg", **values: Any) -> Rendition:
    key = f"projects/{video.project_id.hex}/{kind.value.lower()}"
    return Rendition(
        video_id=video.id, kind=kind, storage_key=key, content_type=content_type, size_bytes=1170, **values
    )


async def make_board(db: Database, video: Video) -> None:
    small = rendition(video, RenditionKind.POSTER_SMALL, width=320, height=180)
    medium = rendition(video, RenditionKind.POSTER_MEDIUM, width=640, height=360)
    poster = await make_rendition(db, video, RenditionKind.POSTER, width=1280, height=720)
    async with db.write() as session:
        pack = rendition(video, RenditionKind.STORYBOARD)
        smaller = looks.SmallerPosters(poster.storage_key, [small, medium])
        await looks.replace_storyboard(session, video.id, PACK, pack, smaller)


class TestStoryboard:
    async def test_all_there_is_to_draw_it(self, db: Database, api: Api, video: Video) -> None:
        await make_board(db, video)

        found = (await api.data(LOOKS, {"id": encode_id("Video", video.id)}))["video"]

        board = found["storyboard"]
        urls = [sheet["url"].partition("?")[0] for sheet in board.pop("sheets")]
        base = f"https://video.example.org/media/storyboards/{video.id.hex}"
        assert urls == [f"{base}/sheet-0.jpg", f"{base}/sheet-1.jpg"]
        assert board.pop("vttUrl").startswith(f"{base}/storyboard.vtt?expires=")
        assert board == {
            "tileWidth": 320,
            "tileHeight": 180,
            "columns": 10,
            "rows": 10,
            "intervalSeconds": 2.0,
            "tileCount": 102,
        }
        tile = found["thumbnail"]
        assert tile.pop("url").startswith(f"{base}/tile-3.jpg?")
        assert tile == {"atSeconds": 6.0, "width": 320, "height": 180}

    async def test_the_thumbnail_that_is_wide_enough(self, db: Database, api: Api, video: Video) -> None:
        await make_board(db, video)
        before = (await api.data(LOOKS, {"id": encode_id("Video", video.id)}))["video"]["small"]
        async with db.write() as session:  # as an earlier release has left it
            await session.execute(update(Storyboard).values(small_ends=[]))

        after = (await api.data(LOOKS, {"id": encode_id("Video", video.id)}))["video"]

        assert ("/small-3.jpg?" in before["url"], before["width"], before["height"]) == (True, 160, 90)
        assert ("/tile-3.jpg?" in after["small"]["url"], after["small"]["width"]) == (True, 320)
        assert after["middle"] == {"width": 320}

    async def test_the_poster_that_is_wide_enough(self, db: Database, api: Api, video: Video) -> None:
        await make_board(db, video)

        found = (await api.data(LOOKS, {"id": encode_id("Video", video.id)}))["video"]

        assert (found["poster"]["width"], found["large"]["width"]) == (640, 1280)

    async def test_maps_say_how_exact_they_are(self, db: Database, api: Api, video: Video) -> None:
        await make_board(db, video)

        found = (await api.data(LOOKS, {"id": encode_id("Video", video.id)}))["video"]

        assert found["blackRanges"]["nodes"] == [
            {"startSeconds": 0.0, "endSeconds": 2.0, "accuracySeconds": 1.96},
            {"startSeconds": 8.0, "endSeconds": 8.5, "accuracySeconds": 1.96},
        ]
        assert found["freezeRanges"]["totalCount"] == 1

    async def test_without_one_there_is_nothing(self, api: Api, video: Video) -> None:
        found = (await api.data(LOOKS, {"id": encode_id("Video", video.id)}))["video"]

        assert (found["storyboard"], found["thumbnail"], found["poster"]) == (None, None, None)
        assert found["blackRanges"] == {"totalCount": 0, "nodes": []}


class TestPlayback:
    async def test_the_original_where_it_plays(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project, info=fake_media_info())

        found = (await api.data(PLAY, {"id": encode_id("Video", video.id)}))["video"]

        assert (found["playback"]["kind"], found["playback"]["contentType"]) == ("ORIGINAL", "video/mp4")
        assert "/media/videos/" in found["playback"]["url"]
        assert (found["proxy"], found["proxyReason"]) == (None, None)

    async def test_else_the_proxy(self, db: Database, api: Api, project: Project) -> None:
        info = fake_media_info()
        hevc = dataclasses.replace(info, tracks=(dataclasses.replace(info.tracks[0], codec="hevc"), *info.tracks[1:]))
        video = await make_video(db, project, info=hevc)
        before = (await api.data(PLAY, {"id": encode_id("Video", video.id)}))["video"]
        await make_rendition(db, video, RenditionKind.PROXY, content_type="video/mp4")

        after = (await api.data(PLAY, {"id": encode_id("Video", video.id)}))["video"]

        assert (before["playback"], before["original"]) == (None, {"contentType": "video/mp4"})
        assert (after["playback"]["kind"], after["proxy"]) == ("PROXY", {"contentType": "video/mp4"})
        assert after["proxyReason"] == "VIDEO_CODEC"

    async def test_the_first_track_until_there_is_a_proxy_with_the_chosen_one(
        self, db: Database, api: Api, project: Project
    ) -> None:
        info = fake_media_info()
        second = dataclasses.replace(info.tracks[1], index=2, is_default=False)
        video = await make_video(db, project, info=dataclasses.replace(info, tracks=(*info.tracks, second)))
        async with db.write() as session:
            await session.execute(update(Video).values(audio_track=2))
        before = (await api.data(PLAY, {"id": encode_id("Video", video.id)}))["video"]
        await make_rendition(db, video, RenditionKind.PROXY, content_type="video/mp4")

        after = (await api.data(PLAY, {"id": encode_id("Video", video.id)}))["video"]

        assert (before["playback"]["kind"], before["proxyReason"]) == ("ORIGINAL", "AUDIO_TRACK")
        assert after["playback"]["kind"] == "PROXY"

    async def test_files_that_were_given_up_do_not_play(self, db: Database, api: Api, video: Video) -> None:
        async with db.write() as session:
            await session.execute(update(Video).values(files_removed_at=func.now()))

        found = (await api.data(PLAY, {"id": encode_id("Video", video.id)}))["video"]

        assert found == {"playback": None, "original": None, "proxy": None, "proxyReason": "CONTAINER"}


class TestArtifacts:
    async def test_are_its_own_files_in_the_order_of_their_kinds(
        self, db: Database, api: Api, project: Project, video: Video
    ) -> None:
        await make_rendition(db, await make_video(db, project), RenditionKind.PROXY)
        made = [await make_rendition(db, video, kind) for kind in reversed(RenditionKind)][::-1]

        found = (await api.data(ARTIFACTS, {"id": encode_id("Video", video.id)}))["video"]["artifacts"]

        paths = [None if one["url"] is None else one["url"].partition("?")[0] for one in found]
        base = "https://video.example.org/media/renditions"
        assert paths == [
            None
            if row.kind in (RenditionKind.STORYBOARD, RenditionKind.WAVEFORM)
            else f"{base}/{row.id.hex}/{row.kind.value.lower()}.wav"
            for row in made
        ]
        assert [(one["kind"], one["contentType"], one["sizeBytes"]) for one in found] == [
            (kind.value, "audio/wav", 10) for kind in RenditionKind
        ]

    async def test_are_as_old_as_the_file(self, db: Database, api: Api, video: Video) -> None:
        old = await make_rendition(db, video, RenditionKind.PROXY, created_at=video.created_at - timedelta(days=1))

        async with db.write() as session:
            await looks.record_proxy(session, video.id, rendition(video, RenditionKind.PROXY))

        [found] = (await api.data(ARTIFACTS, {"id": encode_id("Video", video.id)}))["video"]["artifacts"]
        assert (found["sizeBytes"], datetime.fromisoformat(found["createdAt"]) > old.created_at) == (1170, True)

    async def test_take_one_statement_for_all_videos(self, db: Database, api: Api, project: Project) -> None:
        for _ in range(3):
            await make_rendition(db, await make_video(db, project), RenditionKind.PROXY)
        bare = await api.statements("{ videos { nodes { id } } }")

        assert await api.statements("{ videos { nodes { id artifacts { kind url } } } }") == bare + 1


class TestMutations:
    @pytest.mark.parametrize(
        ("query", "name", "more", "kind"),
        [(POSTER, "setPoster", {"at": 3}, "POSTER"), (PROXY, "createProxy", {}, "PROXY")],
        ids=["poster", "proxy"],
    )
    async def test_enqueue_a_job(
        self, api: Api, video: Video, query: str, name: str, more: dict[str, Any], kind: str
    ) -> None:
        payload = (await api.data(query, {"input": {"videoId": encode_id("Video", video.id), **more}}))[name]

        assert (payload["job"]["kind"], payload["errors"]) == (kind, [])

    @pytest.mark.parametrize(
        ("more", "field"),
        [({}, "at"), ({"at": 1, "uploadId": encode_id("Upload", uuid7())}, "uploadId")],
        ids=["none", "both"],
    )
    async def test_a_poster_is_a_moment_or_an_upload(
        self, db: Database, api: Api, video: Video, more: dict[str, Any], field: str
    ) -> None:
        payload = (await api.data(POSTER, {"input": {"videoId": encode_id("Video", video.id), **more}}))["setPoster"]

        assert payload == {"job": None, "errors": [{"code": "BAD_USER_INPUT", "field": [field]}]}
        assert await count(db, Job) == 0

    async def test_an_upload_as_poster(self, db: Database, api: Api, project: Project, video: Video) -> None:
        upload = await make_upload(db, project, status=UploadStatus.COMPLETE)
        given = {"videoId": encode_id("Video", video.id), "uploadId": encode_id("Upload", upload.id)}

        payload = (await api.data(POSTER, {"input": given}))["setPoster"]

        assert payload == {"job": {"kind": "POSTER"}, "errors": []}

    async def test_asked_for_twice_it_is_one_job(self, db: Database, api: Api, video: Video) -> None:
        given = {"input": {"videoId": encode_id("Video", video.id)}}

        first, second = [(await api.data(PROXY, given))["createProxy"]["job"]["id"] for _ in range(2)]

        assert first == second
        assert await count(db, Job) == 1

    async def test_an_audio_file(self, api: Api, video: Video) -> None:
        given = {"videoId": encode_id("Video", video.id), "format": "MP3", "quality": "HIGH", "normalize": True}

        file = (await api.data(AUDIO, {"input": given}))["extractAudio"]["audioFile"]

        assert (file["format"], file["quality"], file["trackIndex"]) == ("MP3", "HIGH", 1)
        assert (file["isNormalized"], file["url"], file["job"]) == (True, None, {"kind": "AUDIO_EXPORT"})

    async def test_a_refused_one_changes_nothing(self, db: Database, api: Api, video: Video) -> None:
        given = {"videoId": encode_id("Video", video.id), "format": "OPUS", "sampleRate": 44_100}

        payload = (await api.data(AUDIO, {"input": given}))["extractAudio"]

        assert payload["errors"] == [{"code": "BAD_USER_INPUT", "field": ["sampleRate"]}]
        assert (await count(db, AudioFile), await count(db, Job)) == (0, 0)

    @pytest.mark.parametrize(
        ("query", "name", "more"),
        [(POSTER, "setPoster", {"at": 3}), (PROXY, "createProxy", {}), (AUDIO, "extractAudio", {"format": "WAV"})],
        ids=["poster", "proxy", "audio"],
    )
    async def test_who_may_only_look_may_not(
        self,
        db: Database,
        settings: Settings,
        project: Project,
        video: Video,
        query: str,
        name: str,
        more: dict[str, Any],
    ) -> None:
        given = {"input": {"videoId": encode_id("Video", video.id), **more}}
        guest, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, guest.user_id, ProjectRole.VIEWER)

        assert await api_of(db, settings, guest).codes(query, given) == ["FORBIDDEN"]
        payload = (await api_of(db, settings, stranger).data(query, given))[name]
        assert [error["code"] for error in payload["errors"]] == ["NOT_FOUND"]
        assert await count(db, Job) == 0


class TestLists:
    async def test_take_no_more_statements_for_more_videos(
        self, db: Database, settings: Settings, api: Api, project: Project
    ) -> None:
        for _ in range(4):
            video = await make_video(db, project)
            await make_board(db, video)
            await make_rendition(db, video, RenditionKind.PROXY, content_type="video/mp4")

        assert await api.statements(MANY, {"first": 1}) == await api.statements(MANY, {"first": 4})


STILL = MediaInfo("png", None, 1000, None, (TrackInfo(0, "IMAGE", "png", width=1600, height=800),))
KIND = """query ($id: ID!) { video(id: $id) { mediaKind durationSeconds media { tracks { type width } }
  playback { kind } storyboard { tileCount } problems { code } } }"""
CLIP = """mutation ($input: CreateClipInput!) { createClip(input: $input) { clip { id } errors { code field } } }"""
CLIPS = """mutation ($input: AutoClipsInput!) { autoClips(input: $input) { items { index } errors { code field } } }"""


class TestMediaKind:
    @pytest.mark.parametrize(
        ("info", "kind"),
        [(fake_media_info(), "VIDEO"), (fake_media_info(with_video=False), "AUDIO"), (STILL, "IMAGE")],
        ids=["video", "sound", "image"],
    )
    async def test_is_what_the_probe_found(
        self, db: Database, api: Api, project: Project, info: MediaInfo, kind: str
    ) -> None:
        video = await make_video(db, project, info=info)

        assert (await api.data(KIND, {"id": encode_id("Video", video.id)}))["video"]["mediaKind"] == kind

    async def test_an_image_is_played_as_it_is(self, db: Database, api: Api, project: Project) -> None:
        video = await make_video(db, project, info=STILL)

        assert (await api.data(KIND, {"id": encode_id("Video", video.id)}))["video"] == {
            "mediaKind": "IMAGE",
            "durationSeconds": None,
            "media": {"tracks": [{"type": "IMAGE", "width": 1600}]},
            "playback": {"kind": "ORIGINAL"},
            "storyboard": None,
            "problems": [],
        }

    @pytest.mark.parametrize(
        ("query", "values"),
        [(POSTER, {"at": 0}), (PROXY, {}), (AUDIO, {"format": "WAV"}), (CLIP, {"start": 0, "end": 1}), (CLIPS, {})],
        ids=["setPoster", "createProxy", "extractAudio", "createClip", "autoClips"],
    )
    async def test_nothing_is_made_that_an_image_has_not(
        self, db: Database, api: Api, project: Project, query: str, values: dict[str, Any]
    ) -> None:
        video = await make_video(db, project, info=STILL)

        data = await api.data(query, {"input": {"videoId": encode_id("Video", video.id), **values}})

        [payload] = data.values()
        assert [error["code"] for error in payload["errors"]] == ["UNSUPPORTED_MEDIA"]
        async with db.read() as session:
            assert await session.scalar(select(func.count()).select_from(Job)) == 0
