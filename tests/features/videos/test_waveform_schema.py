"""Waveforms and silences as clients see them."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import update

from cuepoint.adapters.media.base import TrackInfo
from cuepoint.adapters.media.base_waveform import level_sizes
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.videos import looks
from cuepoint.features.videos.models import Rendition, RenditionKind, SoundMap, Video
from cuepoint.graphql.scalars import encode_id
from tests.support.builders.videos import INFO
from tests.support.graphql import Api

SOUND = """query ($id: ID!, $samples: Int!, $first: Int!, $after: String, $track: Int) { video(id: $id) {
  waveform(samples: $samples, audioTrack: $track) { startSeconds durationSeconds samples peaks }
  silences(first: $first, after: $after, minDuration: 0.5) {
    totalCount nodes { startSeconds endSeconds accuracySeconds } pageInfo { hasNextPage endCursor } } } }"""


async def make_sound(db: Database, settings: Settings, video: Video, seconds: int = 100) -> None:
    """A waveform of -10 to 20 throughout, and a silence every ten seconds, the first of 0.2 s."""
    row = Rendition(
        video_id=video.id,
        kind=RenditionKind.WAVEFORM,
        storage_key=f"projects/{video.project_id.hex}/waveform",
        content_type="application/octet-stream",
        size_bytes=22_220,
        start_ms=500,
    )
    path = settings.home / "waveform"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(bytes([246] * size + [20] * size) for size in level_sizes(seconds * 16_000)))
    await LocalStorage(settings.storage_directory(), min_free_bytes=0).put_file(row.storage_key, path)
    silences = [t for start in range(0, seconds * 1000, 10_000) for t in (start, start + (1000 if start else 200))]
    async with db.write() as session:
        row_id = await looks.repository.replace_rendition(session, row)
        session.add(
            SoundMap(
                video_id=video.id,
                rendition_id=row_id,
                samples=seconds * 16_000,
                start_ms=500,
                silences=silences,
                sounds=[],
            )
        )


class TestWaveform:
    async def test_as_many_columns_as_asked_for(self, db: Database, settings: Settings, api: Api, video: Video) -> None:
        await make_sound(db, settings, video)

        given = {"id": encode_id("Video", video.id), "samples": 400, "first": 2}
        found = (await api.data(SOUND, given))["video"]

        assert found["waveform"] == {
            "startSeconds": 0.5,
            "durationSeconds": 100.0,
            "samples": 400,
            "peaks": [-10, 20] * 400,
        }

    async def test_of_a_further_track(self, db: Database, settings: Settings, api: Api, video: Video) -> None:
        await make_sound(db, settings, video)
        tracks = [*INFO.tracks, *(TrackInfo(index, "AUDIO", "aac") for index in (2, 5))]
        async with db.write() as session:
            media = {**(video.media or {}), "tracks": [dataclasses.asdict(track) for track in tracks]}
            await session.execute(update(Video).values(media=media))
            # The second level of the file of 100 s, as if it were the first of another track.
            drawn = {"index": 2, "first_byte": 20_000, "samples": 160_000, "start_ms": 40}
            await session.execute(update(SoundMap).values(tracks=[drawn]))
        given = {"id": encode_id("Video", video.id), "samples": 500, "first": 2}

        found = [(await api.data(SOUND, given | {"track": track}))["video"]["waveform"] for track in (None, 1, 2, 5)]

        assert found[0] == found[1]
        assert found[0]["durationSeconds"] == 100.0
        assert (found[2]["startSeconds"], found[2]["durationSeconds"], found[2]["samples"]) == (0.04, 10.0, 500)
        assert found[3] is None

    @pytest.mark.parametrize("track", [0, 3, -1], ids=["a picture", "none", "negative"])
    async def test_of_no_such_track_it_is_refused(
        self, db: Database, settings: Settings, api: Api, video: Video, track: int
    ) -> None:
        await make_sound(db, settings, video)
        given = {"id": encode_id("Video", video.id), "samples": 400, "first": 2, "track": track}

        assert await api.codes(SOUND, given) == ["UNSUPPORTED_MEDIA"]

    @pytest.mark.parametrize("samples", [0, 99, 8001, -1])
    async def test_only_within_bounds(
        self, db: Database, settings: Settings, api: Api, video: Video, samples: int
    ) -> None:
        await make_sound(db, settings, video)

        codes = await api.codes(SOUND, {"id": encode_id("Video", video.id), "samples": samples, "first": 2})

        assert codes == ["BAD_USER_INPUT"]

    async def test_silences_by_pages(self, db: Database, settings: Settings, api: Api, video: Video) -> None:
        await make_sound(db, settings, video)
        given = {"id": encode_id("Video", video.id), "samples": 100, "first": 5}

        pages, after = [], None
        while True:
            page = (await api.data(SOUND, given | {"after": after}))["video"]["silences"]
            pages.append([node["startSeconds"] for node in page["nodes"]])
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break

        assert page["totalCount"] == 9
        assert pages == [[10.0, 20.0, 30.0, 40.0, 50.0], [60.0, 70.0, 80.0, 90.0]]
        assert page["nodes"][0]["accuracySeconds"] == 0.05

    async def test_a_foreign_cursor_is_refused(self, db: Database, settings: Settings, api: Api, video: Video) -> None:
        await make_sound(db, settings, video)
        given = {"id": encode_id("Video", video.id), "samples": 100, "first": 5, "after": "nonsense"}

        assert await api.codes(SOUND, given) == ["BAD_USER_INPUT"]
