"""Posters that people choose, of a moment or uploaded, as the worker makes them with real media tools."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image
from sqlalchemy import delete

from cuepoint.adapters.media.base import MediaInfo
from cuepoint.adapters.media.fake import fake_media_info
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.look_tasks import (
    take_poster,
)
from cuepoint.features.videos.looks import POSTER_SIDES, request_poster
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.tasks import probe
from tests.support.builders.projects import make_project
from tests.support.builders.studio import Studio, png, told
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.media import CodedClip, make_coded_clip, make_text, read_bars
from tests.support.uploads import expire_now

pytestmark = pytest.mark.media


class TestTakePoster:
    async def test_is_the_picture_of_that_moment_in_all_sizes(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.PROBE, probe)
        async with db.write() as session:
            _, job = await request_poster(session, film.viewer, film.video.id, 2500)

        context = await film.run(JobKind.POSTER, take_poster, args=job.args)

        assert await told(db, context) == {"atMs": 2500}
        for kind in (RenditionKind.POSTER, RenditionKind.POSTER_MEDIUM, RenditionKind.POSTER_SMALL):
            poster = await film.rendition(kind)
            assert poster is not None
            with Image.open(io.BytesIO(await film.read(poster.storage_key, (0, poster.size_bytes)))) as picture:
                assert read_bars(numpy.asarray(picture.convert("L"))) == 60

    async def test_a_later_probe_draws_it_again_once_it_is_gone(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.POSTER, take_poster, args={"at_ms": 2500})
        async with db.write() as session:
            await session.execute(delete(Rendition).where(Rendition.video_id == film.video.id))

        await film.run(JobKind.PROBE, probe)

        poster = await film.rendition(RenditionKind.POSTER)
        assert poster is not None
        with Image.open(io.BytesIO(await film.read(poster.storage_key, (0, poster.size_bytes)))) as picture:
            assert (poster.start_ms, read_bars(numpy.asarray(picture.convert("L")))) == (2500, 60)

    async def test_a_later_probe_keeps_to_it(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.POSTER, take_poster, args={"at_ms": 2500})
        async with db.read() as session:
            chosen = await session.get_one(Video, film.video.id)
        again = replace(film, video=chosen)

        await again.run(JobKind.PROBE, probe)

        poster = await film.rendition(RenditionKind.POSTER)
        assert poster is not None
        assert poster.start_ms == 2500


class TestTakeUploadedPoster:
    async def test_is_the_picture_in_all_sizes_and_leaves_the_upload(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.PROBE, probe)
        upload = await film.uploaded(png())
        async with db.write() as session:
            _, job = await request_poster(session, film.viewer, film.video.id, upload_id=upload.id)

        for _ in range(2):
            await film.run(JobKind.POSTER, take_poster, args=job.args)

        posters = [await film.rendition(kind) for kind in POSTER_SIDES]
        assert [(one and one.width, one and one.height, one and one.start_ms) for one in posters] == [
            (1280, 640, None),
            (640, 320, None),
            (320, 160, None),
        ]
        assert (await film.reloaded()).chosen_poster == upload.id
        async with db.read() as session:
            assert (await session.get_one(Upload, upload.id)).status is UploadStatus.COMPLETE

    async def test_later_probes_keep_to_it_while_it_is_there(self, db: Database, film: Studio) -> None:
        upload = await film.uploaded(png())
        await film.run(JobKind.POSTER, take_poster, args={"upload_id": str(upload.id)})

        await film.run(JobKind.PROBE, probe)
        kept = await film.rendition(RenditionKind.POSTER)
        async with db.write() as session:
            await session.execute(delete(Rendition).where(Rendition.video_id == film.video.id))
        await film.run(JobKind.PROBE, probe)
        made = await film.rendition(RenditionKind.POSTER)

        assert kept is not None
        assert made is not None
        assert ((kept.width, kept.start_ms), made.width) == ((1280, None), 320)
        assert made.start_ms is not None
        assert (await film.reloaded()).chosen_poster is None

    async def test_a_moment_that_is_chosen_afterwards_takes_its_place(self, db: Database, film: Studio) -> None:
        upload = await film.uploaded(png())
        await film.run(JobKind.POSTER, take_poster, args={"upload_id": str(upload.id)})

        await film.run(JobKind.POSTER, take_poster, args={"at_ms": 2500})

        assert (await film.reloaded()).chosen_poster == 2500

    async def test_what_is_no_picture_changes_nothing(self, db: Database, film: Studio, tmp_path: Path) -> None:
        await film.run(JobKind.PROBE, probe)
        before = await film.rendition(RenditionKind.POSTER)
        clip = make_coded_clip(tmp_path / "another.mp4", CodedClip(frames=24)).read_bytes()
        codes = []

        for data in (clip, make_text(tmp_path / "text").read_bytes(), png()[:400], png((8000, 5000))):
            upload = await film.uploaded(data)
            with pytest.raises(CuepointError) as refusal:
                await film.run(JobKind.POSTER, take_poster, args={"upload_id": str(upload.id)})
            codes.append(refusal.value.code)

        assert codes == [
            ErrorCode.UNSUPPORTED_MEDIA,
            ErrorCode.UNSUPPORTED_MEDIA,
            ErrorCode.MEDIA_TRUNCATED,
            ErrorCode.MEDIA_LIMIT_EXCEEDED,
        ]
        after = await film.rendition(RenditionKind.POSTER)
        assert before is not None
        assert after is not None
        assert (after.storage_key, (await film.reloaded()).chosen_poster) == (before.storage_key, None)

    async def test_an_upload_that_has_expired_meanwhile_is_none(self, db: Database, film: Studio) -> None:
        upload = await film.uploaded(png((16, 16)))
        await expire_now(db, upload.id)

        with pytest.raises(CuepointError) as refusal:
            await film.run(JobKind.POSTER, take_poster, args={"upload_id": str(upload.id)})

        assert refusal.value.code is ErrorCode.UPLOAD_EXPIRED

    async def test_an_upload_that_is_registered_meanwhile_says_so(
        self, db: Database, film: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = await film.uploaded(png((16, 16)))

        async def read_upload(self: LocalStorage, key: str) -> AsyncIterator[bytes]:
            async with db.write() as session:
                (await session.get_one(Upload, upload.id)).storage_key = film.video.storage_key
            raise NotFoundError("file")
            yield b""

        monkeypatch.setattr(LocalStorage, "read_upload", read_upload)
        with pytest.raises(CuepointError) as refusal:
            await film.run(JobKind.POSTER, take_poster, args={"upload_id": str(upload.id)})

        assert refusal.value.code is ErrorCode.UPLOAD_ALREADY_USED


class TestRequestPoster:
    @pytest.mark.parametrize(
        ("info", "at_ms", "code"),
        [
            (fake_media_info(with_video=False), 0, ErrorCode.UNSUPPORTED_MEDIA),
            (fake_media_info(), 10_000, ErrorCode.RANGE_OUTSIDE_MEDIA),
            (None, 0, ErrorCode.NOT_READY),
        ],
        ids=["sound", "behind the end", "not probed"],
    )
    async def test_refusals(self, db: Database, info: MediaInfo | None, at_ms: int, code: ErrorCode) -> None:
        viewer = await make_viewer(db)
        video = await make_video(db, await make_project(db, owner_id=viewer.user_id), info=info)

        with pytest.raises(CuepointError) as refusal:
            async with db.write() as session:
                await request_poster(session, viewer, video.id, at_ms)

        assert refusal.value.code is code

    async def test_strangers_find_no_video(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))

        with pytest.raises(NotFoundError):
            async with db.write() as session:
                await request_poster(session, await make_viewer(db), video.id, 0)
