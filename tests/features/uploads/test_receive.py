"""Bytes on their way in: faults of networks, disks, clients and crashes, and who may send."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.uploads import service
from cuepoint.features.uploads.digests import Checksum, RunningDigests
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload
from tests.support.storage import stream
from tests.support.uploads import BLAKE3, DATA, SHA256, bytes_of, expire_now, has_bytes, reload


class TestReceive:
    async def test_stops_and_goes_on(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)

        begun = await service.receive(db, storage, viewer, upload.id, 0, stream(b"01", b"23"))
        whole = await service.receive(db, storage, viewer, upload.id, 4, stream(b"456789"))

        assert (begun.status, begun.offset_bytes, begun.content_hash) == (UploadStatus.RECEIVING, 4, None)
        assert (whole.status, whole.offset_bytes, whole.content_hash) == (UploadStatus.COMPLETE, 10, BLAKE3)
        assert await bytes_of(storage, upload) == DATA

    async def test_a_stream_that_breaks_keeps_what_arrived(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)

        async def breaks() -> AsyncIterator[bytes]:
            yield b"012"
            raise ConnectionResetError

        kept = await service.receive(db, storage, viewer, upload.id, 0, breaks())

        assert (kept.offset_bytes, kept.status) == (3, UploadStatus.RECEIVING)

    async def test_no_bytes_change_nothing(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)

        same = await service.receive(db, storage, viewer, upload.id, 0, stream())

        assert (same.offset_bytes, same.status) == (0, UploadStatus.WAITING)

    @pytest.mark.parametrize("offset", [0, 3, 5, 10])
    async def test_a_wrong_offset_is_refused_and_overwrites_nothing(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, offset: int
    ) -> None:
        upload = await make_upload(db, project)
        await service.receive(db, storage, viewer, upload.id, 0, stream(b"0123"))

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, offset, stream(b"XXXXXX"))

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.OFFSET_MISMATCH, True)
        assert "stands at byte 4" in refused.value.message
        assert (await reload(db, upload.id)).offset_bytes == 4
        assert await bytes_of(storage, upload) == b"0123"

    async def test_of_two_at_one_offset_the_second_writes_nothing(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            entered.set()
            await go_on.wait()
            yield DATA

        first = asyncio.create_task(service.receive(db, storage, viewer, upload.id, 0, slow()))
        await entered.wait()
        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 0, stream(b"XXXXXXXXXX"))
        go_on.set()

        assert (await first).content_hash == BLAKE3
        assert (refused.value.code, refused.value.retryable) == (ErrorCode.OFFSET_MISMATCH, True)
        assert await bytes_of(storage, upload) == DATA

    async def test_more_bytes_than_declared_are_refused(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 0, stream(DATA, b"more"))

        assert refused.value.code is ErrorCode.UPLOAD_TOO_LARGE
        assert ((await reload(db, upload.id)).offset_bytes) == 0
        whole = await service.receive(db, storage, viewer, upload.id, 0, stream(DATA))
        assert whole.content_hash == BLAKE3

    async def test_a_wrong_hash_drops_the_bytes(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project, declared_sha256="0" * 64)

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 0, stream(DATA))

        assert refused.value.code is ErrorCode.CHECKSUM_MISMATCH
        assert (await reload(db, upload.id)).status is UploadStatus.ABORTED
        assert not await has_bytes(storage, upload)

    async def test_the_declared_hash_passes(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project, declared_sha256=SHA256)

        whole = await service.receive(db, storage, viewer, upload.id, 0, stream(DATA))

        assert (whole.status, whole.content_hash, whole.declared_sha256) == (UploadStatus.COMPLETE, BLAKE3, SHA256)

    async def test_bytes_that_a_crash_left_without_an_offset_are_overwritten(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        await service.receive(db, storage, viewer, upload.id, 0, stream(b"0123"))
        await storage.append(upload.storage_key, 4, stream(b"XXXXXX"), limit=10)  # the row was never written

        whole = await service.receive(db, storage, viewer, upload.id, 4, stream(DATA[4:]))

        assert whole.content_hash == BLAKE3
        assert await bytes_of(storage, upload) == DATA

    @pytest.mark.parametrize("end", ["aborted", "expired", "complete"])
    async def test_takes_nothing_once_it_is_over(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, end: str
    ) -> None:
        upload = await make_upload(db, project)
        if end == "aborted":
            await service.abort_upload(db, storage, viewer, upload.id)
        if end == "expired":
            await expire_now(db, upload.id)
        if end == "complete":
            await service.receive(db, storage, viewer, upload.id, 0, stream(DATA))

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, storage, viewer, upload.id, 0, stream(b"XXXXXXXXXX"))

        expected = ErrorCode.OFFSET_MISMATCH if end == "complete" else ErrorCode.UPLOAD_EXPIRED
        assert refused.value.code is expected
        assert await has_bytes(storage, upload) == (end == "complete")

    async def test_a_viewer_and_a_stranger_send_nothing(
        self, db: Database, storage: LocalStorage, project: Project
    ) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)
        upload = await make_upload(db, project)

        with pytest.raises(ForbiddenError):
            await service.receive(db, storage, member, upload.id, 0, stream(DATA))
        with pytest.raises(NotFoundError):
            await service.receive(db, storage, stranger, upload.id, 0, stream(DATA))

        assert (await reload(db, upload.id)).offset_bytes == 0
        assert not await has_bytes(storage, upload)

    async def test_a_full_disk_is_said_and_can_be_tried_again(
        self, db: Database, storage: LocalStorage, viewer: Viewer, project: Project, tmp_path: Path
    ) -> None:
        upload = await make_upload(db, project)
        full = LocalStorage(tmp_path / "storage", min_free_bytes=1 << 60)

        with pytest.raises(CuepointError) as refused:
            await service.receive(db, full, viewer, upload.id, 0, stream(DATA))

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.INSUFFICIENT_STORAGE, True)
        assert (await service.receive(db, storage, viewer, upload.id, 0, stream(DATA))).content_hash == BLAKE3


class Reads:
    """A local storage that counts how often an upload is read."""

    def __init__(self, directory: Path) -> None:
        self.storage = LocalStorage(directory, min_free_bytes=0)
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def read_upload(self, upload_key: str) -> AsyncIterator[bytes]:
        self.count += 1
        return self.storage.read_upload(upload_key)


class TestContentHash:
    @pytest.fixture
    def reads(self, tmp_path: Path) -> Any:
        return Reads(tmp_path / "storage")

    async def test_of_pieces_in_order_costs_no_second_read(
        self, db: Database, reads: Any, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        for offset in (0, 3, 6):
            await service.receive(db, reads, viewer, upload.id, offset, stream(DATA[offset : offset + 3]))

        whole = await service.receive(db, reads, viewer, upload.id, 9, stream(DATA[9:]))

        assert (whole.content_hash, whole.declared_sha256, reads.count) == (BLAKE3, None, 0)

    async def test_of_pieces_that_another_process_took_is_read_once(
        self, db: Database, reads: Any, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project, declared_sha256=SHA256)
        await service.receive(db, reads, viewer, upload.id, 0, stream(DATA[:3]))
        other = RunningDigests()  # as another process has them: none of this upload

        whole = await service.receive(db, reads, viewer, upload.id, 3, stream(DATA[3:]), running=other)

        assert (whole.content_hash, reads.count) == (BLAKE3, 1)

    async def test_after_a_piece_that_did_not_count_it_is_right(
        self, db: Database, reads: Any, viewer: Viewer, project: Project
    ) -> None:
        upload = await make_upload(db, project)
        await service.receive(db, reads, viewer, upload.id, 0, stream(DATA[:3]))
        promised = Checksum("sha256", hashlib.sha256(DATA[3:]).digest())
        with pytest.raises(CuepointError) as refused:
            await service.receive(db, reads, viewer, upload.id, 3, stream(b"XXXXXXX"), checksum=promised)

        whole = await service.receive(db, reads, viewer, upload.id, 3, stream(DATA[3:]), checksum=promised)

        assert (refused.value.code, refused.value.retryable) == (ErrorCode.CHECKSUM_MISMATCH, True)
        assert (whole.content_hash, whole.status) == (BLAKE3, UploadStatus.COMPLETE)
