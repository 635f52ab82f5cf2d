"""Every hostile file ends as expected within its caps: no other file opened, no connection made, nothing left behind.

All files are worked on, two at a time, by a fixture: in one round by what takes a video in, in another, which is long,
by what is made of it for watching. Each test looks at what happened to its file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import pytest

from cuepoint.adapters.media.base import MediaCaps
from cuepoint.adapters.media.boxes import check_boxes
from cuepoint.adapters.media.commands import ffmpeg_binary, wav_command
from cuepoint.adapters.media.sniff import DEMUXERS
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.processes.child import run_child
from cuepoint.processes.sandbox import Box
from tests.support import hostile_bytes as b
from tests.support.hostile import HostileFile, Trap, corpus, playlists
from tests.support.hostile_steps import INTAKE, LOOKS, Outcome, Steps
from tests.support.media import make_wav
from tests.support.traps import CANARY, adopted_orphans, children, holders_of, traps_in

pytestmark = pytest.mark.media

FILES = corpus()
MAX_SECONDS = 30.0  # a tenth of it on a machine that does nothing else
MAX_MEMORY_KIB = 600 * 1024
MAX_OUTPUT_BYTES = 40 * 1024**2


@dataclass
class Round:
    """What became of all of them."""

    steps: Steps
    outcomes: dict[str, Outcome]
    calls: list[bytes]
    canary_opened: bool
    would_be_noticed: bool
    memory_kib: int
    processes: set[int]
    temporary: list[str]
    descriptors: int


@pytest.fixture(scope="module", params=[INTAKE, pytest.param(LOOKS, marks=pytest.mark.long)], ids=lambda one: one.name)
async def worked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Round]:
    folder, temporary = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("temporary")
    async with traps_in(folder) as traps:
        with pytest.MonkeyPatch.context() as patch, adopted_orphans():
            patch.setenv("TMPDIR", str(temporary))
            memory, descriptors, processes = _memory_kib(), _descriptors(), children()
            outcomes = await _work_on_all(request.param, folder, traps.trap)
            canary_opened = traps.opened.has_seen_one()
            traps.trap.canary.read_bytes()
            yield Round(
                steps=request.param,
                outcomes=outcomes,
                calls=traps.calls,
                canary_opened=canary_opened,
                would_be_noticed=traps.opened.has_seen_one(),
                memory_kib=0 if _memory_kib() == memory else _memory_kib(),
                processes=children() - processes,
                temporary=[path.name for path in temporary.iterdir()],
                descriptors=_descriptors() - descriptors,
            )


async def _work_on_all(steps: Steps, folder: Path, trap: Trap) -> dict[str, Outcome]:
    places = asyncio.Semaphore(2)

    async def work(number: int, file: HostileFile) -> tuple[str, Outcome]:
        place, made = folder / str(number), Outcome()
        place.mkdir()
        async with places:
            path = file.write(place, trap)
            await steps.work(file, path, place, made)
            _look_at(place, {path.name}, steps.outputs, made)
            return file.id, made

    return dict(await asyncio.gather(*(work(number, file) for number, file in enumerate(FILES))))


def _look_at(place: Path, source: set[str], outputs: tuple[str, ...], made: Outcome) -> None:
    found = {path.name: path for path in place.iterdir()}
    made.outputs = [found[name].read_bytes() for name in outputs if name in found]
    made.left = sorted(found.keys() - source - set(outputs))
    made.processes = holders_of(place)


def _memory_kib() -> int:
    """The most that any child so far had in memory."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestHostileFiles:
    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.id)
    async def test_ends_as_expected(self, worked: Round, file: HostileFile) -> None:
        outcome = worked.outcomes[file.id]

        assert outcome.said == worked.steps.expected(file)
        assert max(outcome.seconds.values()) < MAX_SECONDS
        assert (outcome.left, outcome.processes) == ([], [])
        assert not any(CANARY in output for output in outcome.outputs)
        assert sum(map(len, outcome.outputs)) < MAX_OUTPUT_BYTES

    async def test_there_are_many(self) -> None:
        assert len({file.id for file in FILES}) == len(FILES) >= 150

    async def test_nobody_was_called_and_nothing_else_was_read(self, worked: Round) -> None:
        assert (worked.calls, worked.canary_opened, worked.would_be_noticed) == ([], False, True)

    async def test_no_child_took_much_memory(self, worked: Round) -> None:
        assert worked.memory_kib < MAX_MEMORY_KIB

    async def test_nothing_is_left(self, worked: Round) -> None:
        assert (worked.temporary, worked.processes) == ([], set())
        assert worked.descriptors <= 0  # those that earlier tests had left may be collected meanwhile


class TestToolsAlone:
    """Sniffing comes first; if it let one of these pass, the options would still hold, and behind them the box."""

    ANY_PROTOCOL = ("-protocol_whitelist", "fd,file,http,tcp,crypto,data")
    ANY_NAME = ("-f", "hls", "-allowed_extensions", "ALL", "-extension_picky", "0")

    @pytest.mark.parametrize(
        ("id", "options"),
        [
            ("hls-file", ANY_NAME),
            ("hls-http", ANY_NAME),
            ("concat", ("-f", "concat", "-safe", "0")),
            ("concat-http", ("-f", "concat", "-safe", "0")),
        ],
    )
    async def test_follows_no_playlist(self, tmp_path: Path, id: str, options: tuple[str, ...]) -> None:
        file = next(file for file in playlists() if file.id == id)
        canary, target = make_wav(tmp_path / "canary.wav", seconds=1), tmp_path / "out.wav"
        calls: list[int] = []

        def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            calls.append(1)
            writer.close()

        async def followed(argv: list[str], box: Box | None) -> bool:
            calls.clear()
            target.write_bytes(b"")
            await run_child(argv, timeout=30, pass_fds=(descriptor,), box=box)
            return bool(calls) or target.stat().st_size > 0

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            path = file.write(tmp_path, Trap(canary, server.sockets[0].getsockname()[1]))
            descriptor = os.open(path, os.O_RDONLY)
            ours = wav_command(descriptor, target, track_index=0, caps=MediaCaps())
            naive = [ffmpeg_binary(), "-nostdin", "-y", *self.ANY_PROTOCOL, *options]
            naive += ["-fd", str(descriptor), "-i", "fd:", f"file:{target}"]

            found = [await followed(argv, box) for argv in (naive, ours) for box in (None, Box.writing(target))]
            os.close(descriptor)

        assert found == [True, False, False, False]

    @pytest.mark.parametrize("tool", ["ffmpeg", "pyav"])
    async def test_none_of_them_is_followed_by_either_tool_without_the_box(self, tmp_path: Path, tool: str) -> None:
        followed = []
        async with traps_in(tmp_path) as traps:
            for number, file in enumerate(playlists()):
                (tmp_path / str(number)).mkdir()
                descriptor = os.open(file.write(tmp_path / str(number), traps.trap), os.O_RDONLY)
                target = tmp_path / str(number) / "out.wav"
                if tool == "ffmpeg":
                    argv = wav_command(descriptor, target, track_index=0, caps=MediaCaps())
                    await run_child(argv, timeout=30, pass_fds=(descriptor,))
                else:
                    _open_as_the_child_does(descriptor)
                os.close(descriptor)
                await asyncio.sleep(0)  # whoever called is heard
                if traps.calls or traps.opened.has_seen_one() or (target.exists() and target.stat().st_size):
                    followed.append(file.id)
                    traps.calls.clear()

        assert followed == []


def _open_as_the_child_does(descriptor: int) -> None:
    options = {"fd": str(descriptor), "protocol_whitelist": "fd", "format_whitelist": DEMUXERS}
    with contextlib.suppress(av.error.FFmpegError, ValueError), av.open("fd:", options=options) as container:
        for _ in zip(range(10), container.demux(), strict=False):
            pass


class TestNoRegularFile:
    @pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
    async def test_is_refused_without_waiting(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "video.mp4"
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero")

        with pytest.raises(CuepointError) as caught:
            await ChildMediaTools(Settings()).probe(path)

        assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA
        assert not stat.S_ISREG(path.stat().st_mode)


class TestCheckBoxes:
    def _check(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        with path.open("rb") as file:
            check_boxes(file.fileno(), data[:4096], len(data))

    @pytest.mark.parametrize(
        "data",
        [
            b.movie(b.track(*b.samples())),
            b.movie(b.track(*b.samples()))[:400],
            b.movie(b.track(*b.samples())) + b"\0\0\0\0mdat",
            b.FTYP + b.nested(b"moov", 10),
            b.FTYP + b.box(b"moov", bytes(7)),
            b"\x1aE\xdf\xa3" + b.nested(b"moov", 5000),
        ],
        ids=["honest", "cut", "open end", "ten deep", "scraps", "another container"],
    )
    def test_lets_pass(self, tmp_path: Path, data: bytes) -> None:
        self._check(tmp_path / "a.mp4", data)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b.FTYP + b.nested(b"moov", 12), "The boxes of the file are nested more than 10 deep."),
            (
                b.movie(b.track(*b.samples(300_000))),
                "The file declares 300000 samples and has only 16537 bytes.",
            ),
            (b.movie(b.track(b.table(b"stts", 3, 1, 1))), "The table stts declares 3 entries in 16 bytes."),
            (
                b.FTYP + b.box(b"moof", b.box(b"traf", b.table(b"trun", 9, 0, version_and_flags=0x301))),
                "The table trun declares 9 entries in 12 bytes.",
            ),
            (b.movie(b.track(b.table(b"stz2", 16, 9))), "The table stz2 declares 9 entries in 12 bytes."),
        ],
        ids=["deep", "samples", "times", "run", "sizes"],
    )
    def test_refuses_what_cannot_be(self, tmp_path: Path, data: bytes, message: str) -> None:
        with pytest.raises(CuepointError) as caught:
            self._check(tmp_path / "a.mp4", data)

        assert (caught.value.code, caught.value.message) == (ErrorCode.MEDIA_LIMIT_EXCEEDED, message)

    def test_a_real_file_passes(self, tmp_path: Path) -> None:
        self._check(tmp_path / "a.mp4", b.real(".mp4"))
        self._check(tmp_path / "b.mp4", b.real(".mp4", "-movflags", "+frag_keyframe+empty_moov"))
