"""Storage on a local disk: open uploads as plain files that grow, finished objects through obstore beside them.

    <root>/uploads/<upload key>   bytes of open uploads, written with pwrite and synced before an offset is returned
    <root>/objects/<key>          objects; they appear whole (a rename), never in part

Both lie on one file system, so that finishing an upload costs a rename, however long the film is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from cuepoint.adapters.storage.base import DirectFile, ListedFile, ObjectInfo, OpenBytes, Piece, UnfinishedWrite
from cuepoint.adapters.storage.intake import blocks_of
from cuepoint.adapters.storage.keys import checked_key, path_below
from cuepoint.adapters.storage.listing import UNFINISHED, listed
from cuepoint.adapters.storage.locks import try_lock, unlock
from cuepoint.adapters.storage.refusals import FULL, bytes_missing, demand_space, full, upload_taken, upload_too_large
from cuepoint.adapters.storage.threads import in_thread
from cuepoint.errors import AdapterError, ErrorCode, MissingFileError, NotFoundError

if TYPE_CHECKING:
    from obstore.store import LocalStore

READ_BYTES = 1 << 20  # 1 MiB: serving a file in pieces of this size took 1.7x less CPU than in small ones
PUT_BYTES = 8 << 20  # a file of 256 MiB in such pieces, one at a time: 0.12 CPU seconds; by obstore's defaults 0.63
_FULL_TEXTS = tuple(f"(os error {code})" for code in FULL)  # how obstore's library words the same two
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHECK_BYTES = b"cuepoint storage check"


class LocalStorage:
    """Storage below one directory of this machine. Writing stops before less than `min_free_bytes` are left free.

    An absent object raises NotFoundError where bytes are asked for; `head` answers None.
    """

    def __init__(self, root: Path, *, min_free_bytes: int) -> None:
        self._root = root.absolute()
        self._uploads = self._root / "uploads"
        self._objects = self._root / "objects"
        self._min_free_bytes = min_free_bytes
        self._opened: LocalStore | None = None

    async def append(self, upload_key: str, offset: int, stream: AsyncIterable[Piece], *, limit: int) -> int:
        """See the port. Raises CuepointError UPLOAD_TOO_LARGE when the stream goes beyond `limit`, OFFSET_MISMATCH
        when fewer than `offset` bytes lie here; what the caller recorded as confirmed stays, and no more."""
        path, start = path_below(self._uploads, upload_key), offset
        with _translated():
            await in_thread(self._open_upload, path, offset)
            async with contextlib.aclosing(blocks_of(stream)) as blocks:
                async for block in blocks:
                    size = sum(map(len, block))
                    if offset + size > limit:
                        await in_thread(os.truncate, path, start)
                        raise upload_too_large(limit)
                    await in_thread(self._write, path, block, offset, size)
                    offset += size
            await in_thread(_sync, path)
        return offset

    @asynccontextmanager
    async def upload_lock(self, upload_key: str) -> AsyncIterator[None]:
        """See the port: a lock file beside the upload's bytes. Not in a thread, as two system calls that do not wait
        need none, and a cancelled request could not give back what a thread took."""
        path = path_below(self._uploads, f"{upload_key}.lock")
        with _translated():
            self._make_root()
            descriptor = try_lock(path)
        if descriptor is None:
            raise upload_taken()
        try:
            yield
        finally:
            unlock(path, descriptor)

    async def finish_upload(self, upload_key: str, key: str) -> ObjectInfo:
        """See the port. Raises NotFoundError when neither the upload nor the object is here."""
        source, target = path_below(self._uploads, upload_key), path_below(self._objects, key)
        with _translated():
            await in_thread(_move, source, target)
        return await self._existing(key)

    async def abort_upload(self, upload_key: str) -> None:
        """See the port."""
        path = path_below(self._uploads, upload_key)
        with _translated():
            await in_thread(path.unlink, missing_ok=True)

    async def read_upload(self, upload_key: str) -> AsyncIterator[bytes]:
        """See the port."""
        path = path_below(self._uploads, upload_key)
        position = 0
        while True:
            with _translated():
                piece = await in_thread(_piece, path, position)
            if not piece:
                return
            yield piece
            position += len(piece)

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See the port. The bytes are synced before it returns."""
        import obstore

        target = path_below(self._objects, key)
        with _translated():
            size = (await in_thread(path.stat)).st_size
            await in_thread(self._demand_space, size)
            await obstore.put_async(await self._store(), key, path, chunk_size=PUT_BYTES, max_concurrency=1)
            await in_thread(_sync, target)
        return await self._existing(key)

    async def head(self, key: str) -> ObjectInfo | None:
        """See the port."""
        import obstore

        path_below(self._objects, key)
        with _translated():
            try:
                meta = await obstore.head_async(await self._store(), key)
            except FileNotFoundError:
                return None
        return ObjectInfo(key=key, size_bytes=meta["size"], etag=meta["e_tag"])

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See the port; the end is cut to the object's size. Ranges of 1 MiB: obstore's own stream reads 8 KiB at a
        time from a local disk and took twelve times the CPU."""
        import obstore

        end = min(end, (await self._existing(key)).size_bytes)
        store = await self._store()
        for position in range(start, end, READ_BYTES):
            with _translated():
                piece = await obstore.get_range_async(store, key, start=position, end=min(end, position + READ_BYTES))
            yield bytes(piece)

    async def delete(self, key: str) -> None:
        """See the port."""
        import obstore

        target = path_below(self._objects, key)
        with _translated(), contextlib.suppress(FileNotFoundError):
            await in_thread(_drop_begun, target)
            await obstore.delete_async(await self._store(), key)

    async def delete_prefix(self, prefix: str) -> int:
        """See the port. A prefix ends at a `/`: `videos/1` does not take `videos/10` along."""
        import obstore

        below = path_below(self._objects, checked_key(prefix.rstrip("/")))
        store, deleted = await self._store(), 0
        with _translated():
            begun = [below / name async for page in listed(below) for name, _, _ in page if UNFINISHED in name]
            for path in begun:
                await in_thread(path.unlink, missing_ok=True)
            keys = [meta["path"] async for page in obstore.list(store, prefix.rstrip("/")) for meta in page]
            for key in keys:
                with contextlib.suppress(FileNotFoundError):
                    await obstore.delete_async(store, key)
                    deleted += 1
        return deleted

    @asynccontextmanager
    async def local_copy(self, key: str) -> AsyncIterator[Path]:
        """See the port: the very file, as storage is local."""
        yield await in_thread(_existing_file, path_below(self._objects, key))

    def direct_url(self, file: DirectFile, *, seconds: int) -> str | None:  # noqa: ARG002  # the port's arguments
        """See the port: a directory has no addresses of its own."""
        return None

    async def list_files(self) -> AsyncIterator[Sequence[ListedFile]]:
        """See the port."""
        async for page in listed(self._objects):
            yield [ListedFile(*entry) for entry in page if UNFINISHED not in entry[0]]

    async def list_uploads(self) -> AsyncIterator[Sequence[OpenBytes]]:
        """See the port."""
        async for page in listed(self._uploads):
            yield [OpenBytes(key, modified_at) for key, _, modified_at in page if not key.endswith(".lock")]

    async def list_unfinished(self) -> AsyncIterator[Sequence[UnfinishedWrite]]:
        """See the port: obstore writes to `<key>#<number>`, and renames that at the end."""
        async for page in listed(self._objects):
            found = [(*key.rpartition(UNFINISHED), time) for key, _, time in page if UNFINISHED in key]
            yield [UnfinishedWrite(key, number, time) for key, _, number, time in found]

    async def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """See the port."""
        target = path_below(self._objects, write.key)
        path = target.with_name(f"{target.name}{UNFINISHED}{int(write.token)}")
        with _translated():
            await in_thread(path.unlink, missing_ok=True)

    def direct_parts(self) -> None:
        """See the port: a directory has no addresses of its own."""

    async def close(self) -> None:
        """See the port: nothing is held open between two calls."""

    async def check(self) -> None:
        """See the port."""
        import obstore

        key = f"check/{uuid4().hex}"
        with _translated():
            await in_thread(self._demand_space, len(_CHECK_BYTES))
            store = await self._store()
            await obstore.put_async(store, key, _CHECK_BYTES)
            found = bytes(await obstore.get_range_async(store, key, start=0, end=len(_CHECK_BYTES)))
            await obstore.delete_async(store, key)
        if found != _CHECK_BYTES:
            raise _unavailable("what was written read back differently", retryable=False)

    async def _store(self) -> LocalStore:
        if self._opened is None:
            self._opened = await in_thread(self._open_store)
        return self._opened

    def _open_store(self) -> LocalStore:
        from obstore.store import LocalStore

        # First through the system, which fails at once on a directory that cannot be made.
        self._make_root()
        self._objects.mkdir(exist_ok=True)
        return LocalStore(self._objects, automatic_cleanup=True)

    async def _existing(self, key: str) -> ObjectInfo:
        info = await self.head(key)
        if info is None:
            raise MissingFileError
        return info

    def _make_root(self) -> None:
        """Media are not for every account of the machine; a directory that is there keeps its mode."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _open_upload(self, path: Path, offset: int) -> None:
        self._demand_space(0)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | _WRITE, 0o600)
        try:
            held = os.fstat(descriptor).st_size
            if held < offset:
                raise bytes_missing(offset, held)
            os.ftruncate(descriptor, offset)  # an unconfirmed write may have been longer than what comes now
        finally:
            os.close(descriptor)

    def _write(self, path: Path, block: list[Piece], offset: int, size: int) -> None:
        """Opened for each block, and never created: an upload that was dropped meanwhile stays dropped."""
        self._demand_space(size)
        descriptor = os.open(path, _WRITE)
        try:
            written = os.pwritev(descriptor, block, offset)
            while written < size:  # cut short, by a signal or an almost full disk: the rest by hand
                written += os.pwrite(descriptor, b"".join(block)[written:], offset + written)
        finally:
            os.close(descriptor)

    def _demand_space(self, size: int) -> None:
        demand_space(self._root, size, self._min_free_bytes)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except FileNotFoundError:
        if source.exists():  # the clean-up of a deletion took the empty directory in between
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        elif not target.exists():
            raise NotFoundError("upload") from None
    _sync_directory(target.parent)


def _drop_begun(target: Path) -> None:
    """Nothing that obstore began to write of the file is left. Raises FileNotFoundError where its directory is not."""
    with os.scandir(target.parent) as found:
        begun = [entry.path for entry in found if entry.name.startswith(f"{target.name}{UNFINISHED}")]
    for path in begun:
        Path(path).unlink(missing_ok=True)


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise MissingFileError
    return path


def _piece(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read(READ_BYTES)
    except FileNotFoundError:
        raise NotFoundError("upload") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(reason: str, *, retryable: bool) -> AdapterError:
    return AdapterError(
        ErrorCode.STORAGE_UNAVAILABLE,
        f"The storage does not work: {reason}. Check the directory of CUEPOINT_STORAGE_URL, its owner and its disk.",
        retryable=retryable,
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the system and of obstore become ours. An absent object is met inside, where it means something."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (OSError, BaseError) as error:
        # obstore appends pages of debug text; a path of this machine is nothing for whoever called the API
        text = (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
        is_full = error.errno in FULL if isinstance(error, OSError) else any(t in str(error) for t in _FULL_TEXTS)
        if is_full:
            raise full(text) from error
        raise _unavailable(text, retryable=True) from error
