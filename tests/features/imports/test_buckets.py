from __future__ import annotations

from contextlib import closing

import pytest
from pydantic import SecretStr

from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.imports.models import ImportKind, SourceKind
from cuepoint.features.videos.models import Video
from tests.features.imports.conftest import World, working
from tests.features.imports.test_passes import make_source, run_pass, statuses
from tests.support.hostile_web import FILE
from tests.support.jobs import connect, ended
from tests.support.s3_server import ACCESS_KEY, SECRET_KEY, S3Server


@pytest.fixture(scope="module")
def films(s3: S3Server) -> S3Server:
    """A bucket with two films."""
    with closing(s3.client()) as client:
        client.put_object(Bucket=s3.bucket, Key="films/one.mp4", Body=FILE)
        client.put_object(Bucket=s3.bucket, Key="films/deep/two.MP4", Body=b"two")
        client.put_object(Bucket=s3.bucket, Key="films/notes.txt", Body=b"no")
    return s3


@pytest.fixture
def allowed(world: World, films: S3Server) -> S3Server:
    """The instance may import from the bucket."""
    values = {
        "import_buckets": (films.bucket,),
        "s3_endpoint": films.url,
        "s3_access_key_id": ACCESS_KEY,
        "s3_secret_access_key": SecretStr(SECRET_KEY),
    }
    world.settings = world.settings.model_copy(update=values)
    return films


class TestIngestFromABucket:
    async def test_brings_the_object(self, world: World, allowed: S3Server, database_url: str) -> None:
        made = await world.ingest(f"s3://{allowed.bucket}/films/one.mp4", auto_start=False)

        async with working(world.settings), connect(database_url) as sql:
            states = await ended(sql, made.expected.jobs[0].id)

        video: Video = await world.one(Video, made.expected.video.id)
        assert (states, made.row.kind) == (["SUCCEEDED"], ImportKind.S3)
        assert (video.filename, video.size_bytes) == ("one.mp4", len(FILE))

    async def test_an_absent_object_is_gone(self, world: World, allowed: S3Server, database_url: str) -> None:
        made = await world.ingest(f"s3://{allowed.bucket}/films/absent.mp4", auto_start=False)

        async with working(world.settings), connect(database_url) as sql:
            await ended(sql, made.expected.jobs[0].id)

        assert (await world.job(made.expected.jobs[0].id)).error_code == "SOURCE_GONE"

    @pytest.mark.parametrize("address", ["s3://another/one.mp4", "s3://{bucket}/", "s3://{bucket}", "s3://"])
    async def test_other_buckets_are_refused(self, world: World, allowed: S3Server, address: str) -> None:
        with pytest.raises(CuepointError) as refused:
            await world.ingest(address.format(bucket=allowed.bucket))

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert await world.all(Video) == []


class TestSourceInABucket:
    async def test_takes_what_matches_once(self, world: World, allowed: S3Server, database_url: str) -> None:
        source = await make_source(world, f"{allowed.bucket}/films", kind=SourceKind.S3)

        await run_pass(world, database_url, source)
        second = await run_pass(world, database_url, source)
        third = await run_pass(world, database_url, source)

        videos: list[Video] = await world.all(Video, Video.size_bytes)
        assert (second.result or {})["taken"] == 2
        assert (third.result or {})["taken"] == 0
        assert [(video.filename, video.size_bytes) for video in videos] == [("two.MP4", 3), ("one.mp4", len(FILE))]
        assert await statuses(world) == {"deep/two.MP4": "TAKEN", "one.mp4": "TAKEN"}
