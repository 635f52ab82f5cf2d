from __future__ import annotations

from pathlib import Path

import pytest

from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.features.videos.models import Video
from tests.features.imports.conftest import World, working
from tests.support.jobs import connect, ended
from tests.support.media import make_clip

pytestmark = pytest.mark.media


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of three seconds."""
    return make_clip(tmp_path_factory.mktemp("film") / "film.mp4", seconds=3).read_bytes()


class TestSection:
    async def test_only_the_wanted_part_is_kept(self, world: World, film: bytes, database_url: str) -> None:
        world.web.file = film
        made = await world.ingest("/file/film.mp4", start_ms=1000, end_ms=2000, auto_start=False)

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, made.expected.jobs[0].id, seconds=30)

        video: Video = await world.one(Video, made.expected.video.id)
        path: Path = world.settings.storage_directory() / "objects" / video.storage_key
        info = await ChildMediaTools(world.settings).probe(path)
        assert states == ["SUCCEEDED"]
        assert (video.filename, world.files()) == ("film.mp4", [video.size_bytes])
        assert info.duration_ms is not None
        assert abs(info.duration_ms - 1000) <= 50
        assert len(world.web.requests) == 1

    async def test_a_section_behind_the_end_is_refused(self, world: World, film: bytes, database_url: str) -> None:
        world.web.file = film
        made = await world.ingest("/file/film.mp4", start_ms=5000, auto_start=False)

        async with working(world.settings), connect(database_url) as sql:
            await ended(sql, made.expected.jobs[0].id, seconds=30)

        assert (await world.job(made.expected.jobs[0].id)).error_code == "RANGE_OUTSIDE_MEDIA"
        assert (await world.one(Video, made.expected.video.id)).content_hash is None
