"""Media in a bucket that clients reach: the signed URL leads on to the store itself."""

from __future__ import annotations

from pathlib import Path

import httpx2

from cuepoint.adapters.storage.choose import build_storage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.graphql.media_urls import media_url
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.s3_server import S3Server
from tests.support.web import BASE, running_web


class TestPublicEndpoint:
    async def test_a_signed_url_leads_to_the_store_and_an_unsigned_one_nowhere(
        self, settings: Settings, db: Database, s3: S3Server, tmp_path: Path
    ) -> None:
        video = await make_video(db, await make_project(db))
        storage = build_storage(s3.settings(tmp_path, "media", {"CUEPOINT_S3_PUBLIC_ENDPOINT": s3.url}))
        (tmp_path / "film").write_bytes(b"0123456789")
        await storage.put_file(video.storage_key, tmp_path / "film")

        async with running_web(settings, db, storage) as web, httpx2.AsyncClient(trust_env=False) as store:
            url = media_url(BASE, web.process.adapters.signer, "videos", video.id, video.filename)
            answer = await web.client.get(url)
            unsigned = await web.client.get(url.split("?")[0])
            fetched = await store.get(answer.headers["Location"], headers={"Range": "bytes=2-4"})
        await storage.close()

        assert answer.status_code == 307
        assert answer.headers["Cache-Control"] == "no-store"
        assert (fetched.status_code, fetched.content) == (206, b"234")
        assert fetched.headers["Content-Disposition"] == 'inline; filename="stories.mp4"'
        assert unsigned.status_code == 403
