from __future__ import annotations

from sqlalchemy import select

from cuepoint.features.imports.models import Import, ImportCaption, ImportKind
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.videos.models import Video
from tests.features.imports.conftest import World, working
from tests.support.hostile_web import FILE
from tests.support.jobs import connect, ended

VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"


class TestIngestFromASite:
    async def test_title_and_captions_come_along(self, world: World, database_url: str) -> None:
        tracks = f'<track kind="captions" srclang="en" src="{world.web.url("/en.vtt")}">'
        body = f'<title>A film</title><video src="{world.web.url("/file/film.mp4")}">{tracks}</video>'
        world.web.documents["/watch"] = ("text/html", f"<!DOCTYPE html><html>{body}</html>".encode())
        world.web.documents["/en.vtt"] = ("text/vtt", VTT)
        made = await world.ingest("/watch")

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, made.expected.jobs[0].id, seconds=40)

        video: Video = await world.one(Video, made.expected.video.id)
        row: Import = await world.one(Import, made.row.id)
        result = (await world.job(made.expected.jobs[0].id)).result or {}
        async with world.db.read() as session:
            captions = list(await session.scalars(select(ImportCaption)))
        assert states == ["SUCCEEDED"]
        assert (video.title, video.filename, video.size_bytes) == ("A film", "A film.mp4", len(FILE))
        assert (row.kind, row.title, row.extractor) == (ImportKind.SITE, "A film", "HTML5MediaEmbed")
        assert str(result["extractorVersion"]).startswith("yt-dlp 20")
        assert [(c.language, c.extension, c.text) for c in captions] == [("en", "vtt", VTT.decode())]


class TestPlaylist:
    async def test_each_entry_is_started_or_refused_for_itself(self, world: World, database_url: str) -> None:
        links = [world.web.url("/file/one.mp4"), "http://ada:pw@films.example/two", world.web.url("/status/410")]
        items = "".join(f"<item><title>No {n}</title><link>{link}</link></item>" for n, link in enumerate(links))
        feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'
        world.web.documents["/feed"] = ("application/rss+xml", feed.encode())
        job = await world.playlist("/feed", limit=3)

        async with working(world.settings), connect(database_url) as sql:
            await ended(sql, job.id, seconds=40)
            entries = [row for row in await world.all(Import, Import.id) if row.batch_id == job.batch_id]
            await ended(sql, *[row.job_id for row in entries if row.job_id is not None])

        outcome = {}
        for row in entries:
            own = None if row.job_id is None else await world.job(row.job_id)
            outcome[row.shown_url] = row.error_code or (own and (own.error_code or own.status.value))
        assert (await world.job(job.id)).result == {
            "started": 2,
            "refused": 1,
            "extractor": "Generic",
            "extractorVersion": (await world.one(Import, job.batch_id)).extractor_version,
        }
        assert sorted(outcome.values()) == ["SOURCE_GONE", "SUCCEEDED", "URL_FORBIDDEN"]
        assert "pw" not in "".join(outcome)
        assert (await world.jobs())[JobKind.PLAYLIST_IMPORT].project_id == world.project.id
