"""Similar videos: hashes, bands, and what is found of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.features.videos import looks
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.similar import similar_videos
from cuepoint.features.videos.similarity import bands_of, hashes_of, likeness, probes_of
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.media import run_ffmpeg

PICTURES = [random.Random(number).getrandbits(64) for number in range(300)]


def stored(hashes: list[int]) -> bytes:
    return b"".join(value.to_bytes(8) for value in hashes)


class TestHashesOf:
    def test_each_once_and_none_that_is_plain(self) -> None:
        assert hashes_of(stored([PICTURES[0], 0, 2**64 - 1, PICTURES[1], PICTURES[0], 0b11111])) == PICTURES[:2]


class TestBandsOf:
    def test_up_to_three_bits_apart_share_one(self) -> None:
        chance = random.Random(1)
        for picture in PICTURES:
            other = picture
            for bit in chance.sample(range(64), 3):
                other ^= 1 << bit

            assert set(bands_of([picture])) & set(bands_of([other]))


class TestProbesOf:
    def test_are_spread_over_all(self) -> None:
        probes = probes_of(PICTURES)

        assert (len(probes), probes[0], probes[-1]) == (64, PICTURES[0], PICTURES[295])


class TestLikeness:
    @pytest.mark.parametrize(
        ("one", "other", "expected"),
        [
            (PICTURES[:50], PICTURES[:50], 1.0),
            (PICTURES[:50], [value ^ 0b10101 for value in PICTURES[:50]], 1.0),
            (PICTURES[:50], PICTURES[50:100], 0.0),
            (PICTURES[:40], PICTURES[20:60], 0.5),
            (PICTURES[10:20], PICTURES[:200], 1.0),
            ([], PICTURES, 0.0),
        ],
        ids=["same", "encoded anew", "another", "half", "excerpt", "nothing"],
    )
    def test_is_the_share_of_pictures(self, one: list[int], other: list[int], expected: float) -> None:
        assert likeness(one, other) == likeness(other, one) == expected


@pytest.mark.media
class TestSimilarVideos:
    async def test_finds_what_was_encoded_anew_and_no_other(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        film, small, other = (tmp_path / name for name in ("film.mp4", "small.mp4", "other.mp4"))
        run_ffmpeg("-f", "lavfi", "-i", "mandelbrot=s=320x180:r=10", "-t", "12", "-pix_fmt", "yuv420p", str(film))
        run_ffmpeg("-ss", "2", "-i", str(film), "-t", "7", "-vf", "scale=160:90", "-crf", "35", str(small))
        run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=12", "-pix_fmt", "yuv420p", str(other))
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        videos = {}
        for source, length in ((film, 12_000), (small, 7_000), (other, 12_000)):
            videos[source.stem] = await make_video(db, project, title=source.stem)
            await look(db, settings, videos[source.stem], source, length)

        async with db.read() as session:
            found = await similar_videos(session, viewer, videos["film"].id, threshold=0.5)
            of_other = await similar_videos(session, viewer, videos["other"].id, threshold=0.5)

        assert [(one.video.title, one.likeness >= 0.8) for one in found] == [("small", True)]
        assert of_other == []

    async def test_strangers_find_no_video(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))

        with pytest.raises(NotFoundError):
            async with db.read() as session:
                await similar_videos(session, await make_viewer(db), video.id, threshold=0.5)

    @pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01])
    async def test_a_threshold_is_a_share(self, db: Database, threshold: float) -> None:
        viewer = await make_viewer(db)
        video = await make_video(db, await make_project(db, owner_id=viewer.user_id))

        with pytest.raises(BadInputError):
            async with db.read() as session:
                await similar_videos(session, viewer, video.id, threshold=threshold)


async def look(db: Database, settings: Settings, video: Video, source: Path, length: int) -> None:
    """The video has the storyboard of that file."""
    target = source.with_suffix(".pack")
    pack = await ChildLookTools(settings).storyboard(source, target, duration_ms=length, on_progress=lambda _: None)
    assert pack is not None
    row = Rendition(
        video_id=video.id,
        kind=RenditionKind.STORYBOARD,
        storage_key=f"projects/{video.project_id.hex}/{video.id.hex}",
        content_type="application/octet-stream",
        size_bytes=1,
    )
    async with db.write() as session:
        await looks.replace_storyboard(session, video.id, pack, row, None)
