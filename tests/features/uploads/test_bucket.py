"""One upload, two API processes, one bucket: from the first byte to the video."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from blake3 import blake3

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.choose import build_storage
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads import service
from cuepoint.features.uploads.digests import RunningDigests
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.features.videos.service import register_video
from cuepoint.viewer import Viewer
from tests.support.builders.videos import make_upload
from tests.support.s3_server import S3Server
from tests.support.storage import content, stream

SIZE = (9 << 20) + 77
DATA = os.urandom(SIZE)


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
async def processes(s3: S3Server, prefix: str, tmp_path: Path) -> AsyncIterator[list[tuple[Storage, RunningDigests]]]:
    """What two processes have of their own."""
    settings = s3.settings(tmp_path, prefix)
    made = [(build_storage(settings), RunningDigests()) for _ in range(2)]
    yield made
    for storage, _ in made:
        await storage.close()


class TestReceive:
    async def test_either_process_goes_on(
        self,
        db: Database,
        processes: list[tuple[Storage, RunningDigests]],
        viewer: Viewer,
        project: Project,
        s3: S3Server,
        prefix: str,
    ) -> None:
        upload = await make_upload(db, project, size_bytes=SIZE)
        cuts = [0, 100, 6 << 20, 7 << 20, SIZE]
        for turn, (start, end) in enumerate(pairwise(cuts)):
            storage, running = processes[turn % 2]
            upload = await service.receive(
                db, storage, viewer, upload.id, start, stream(DATA[start:end]), running=running
            )

        made = await register_video(db, processes[0][0], viewer, upload_id=upload.id, title=None, auto_start=False)

        assert (upload.status, upload.content_hash) == (UploadStatus.COMPLETE, blake3(DATA).hexdigest())
        assert made.video is not None
        assert await content(processes[1][0], made.video.storage_key) == DATA
        assert s3.names(prefix) == [f"objects/{made.video.storage_key}"]
        assert s3.open_multiparts(prefix) == 0

    async def test_a_step_that_was_not_confirmed_is_sent_again_to_the_other(
        self, db: Database, processes: list[tuple[Storage, RunningDigests]], viewer: Viewer, project: Project
    ) -> None:
        (one, _), (other, running) = processes
        upload = await make_upload(db, project, size_bytes=SIZE)
        await service.receive(db, one, viewer, upload.id, 0, stream(DATA[:100]))
        async with one.upload_lock(upload.storage_key):
            await one.append(upload.storage_key, 100, stream(bytes(SIZE - 100)), limit=SIZE)  # the row: never written

        whole = await service.receive(db, other, viewer, upload.id, 100, stream(DATA[100:]), running=running)

        assert whole.content_hash == blake3(DATA).hexdigest()

    async def test_two_at_once_cannot_corrupt_it(
        self, db: Database, processes: list[tuple[Storage, RunningDigests]], viewer: Viewer, project: Project
    ) -> None:
        (one, _), (other, running) = processes
        upload = await make_upload(db, project, size_bytes=SIZE)

        async with one.upload_lock(upload.storage_key):
            with pytest.raises(CuepointError) as refused:
                await service.receive(db, other, viewer, upload.id, 0, stream(DATA), running=running)

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.OFFSET_MISMATCH, True)
        assert (await service.receive(db, other, viewer, upload.id, 0, stream(DATA))).status is UploadStatus.COMPLETE
