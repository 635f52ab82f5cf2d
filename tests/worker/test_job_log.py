"""What attempts say: a bounded tail without secrets, readable while the job runs and after each of its attempts."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cuepoint.config import Settings
from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.job_logs import MAX_LOG_BYTES, Said, save_logs
from cuepoint.features.jobs.models import JobKind
from cuepoint.processes.child import run_child
from cuepoint.processes.listening import listening, say
from cuepoint.worker.job_log import AttemptLog, masking
from tests.support.jobs import ended, make, until
from tests.support.workers import worker_for_tests

TIME = re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE)


def words(log: AttemptLog) -> str:
    """What would be stored at the end, without the times."""
    taken = log.take_last()
    return "" if taken is None else TIME.sub("", taken[0])


async def texts(sql: Any, job: Any) -> dict[int, str]:
    rows = await sql.fetch("select attempt, text from job_logs where job_id = $1 order by attempt", job)
    return {row["attempt"]: TIME.sub("", row["text"]) for row in rows}


class TestAttemptLog:
    def test_pieces_become_lines_with_their_time(self) -> None:
        log = AttemptLog()
        for piece in (b"one\ntw", b"o\r\n\nthr", b"ee"):
            log.write(piece)

        text, is_cut = log.take() or ("", True)

        assert re.fullmatch(r"\d\d:\d\d:\d\d one\n\d\d:\d\d:\d\d two\n", text)
        assert not is_cut
        assert log.take() is None
        assert words(log) == "one\ntwo\nthree\n"

    def test_the_tail_is_kept_and_says_that_it_is_cut(self) -> None:
        log = AttemptLog()
        for number in range(10_000):
            log.write(b"line %d\n" % number)

        text, is_cut = log.take() or ("", False)

        assert is_cut
        assert MAX_LOG_BYTES - 30 < len(text.encode()) <= MAX_LOG_BYTES
        assert text.endswith(" line 9999\n")

    def test_a_line_without_end_is_cut_and_bytes_that_are_no_text_do_no_harm(self) -> None:
        log = AttemptLog()
        log.write(b"x" * 300_000)
        log.write(b"\n\xff\x00\xfe ok\n")

        assert [len(line) for line in words(log).splitlines()] == [8192, 5]

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("GET https://s3.example.org/b/k?X-Amz-Credential=AK/2&X-Amz-Signature=ab12", "X-Amz-Signature=***"),
            ("https://v.example.org/media/x?expires=5&signature=abc", "signature=***"),
            ("Authorization: Bearer abc.def", "Bearer ***"),
            ('{"api_key": "qwertyuiop"}', '{"api_key": "***"}'),
            ("using sk-proj-0123456789abcdef0123", "using sk-***"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIA***"),
            ("postgresql://cuepoint:hunter2hunter2@db/x", "postgresql://cuepoint:***@db/x"),
            ("password=hunter2", "password=***"),
            ("cp_0123456789abcdef0123456789abcdef", "cp_***"),
        ],
        ids=["s3", "media-url", "bearer", "json", "openai", "aws", "dsn", "password", "ours"],
    )
    def test_secrets_are_masked(self, line: str, shown: str) -> None:
        log = AttemptLog()
        log.write(f"{line}\n".encode())

        assert shown in words(log)

    def test_the_data_directory_and_the_settings_secrets_are_masked(self, settings: Settings) -> None:
        own = settings.model_copy(update={"openai_api_key": SecretStr("correct-horse-battery")})
        log = AttemptLog(masking(own))
        log.write(f"{own.home}/tmp/x: key correct-horse-battery is wrong\n".encode())

        assert words(log) == "<data>/tmp/x: key *** is wrong\n"


class TestListening:
    async def test_only_the_context_that_listens_hears(self) -> None:
        heard: dict[str, list[bytes]] = {"a": [], "b": []}

        async def work(name: str) -> None:
            with listening(heard[name].append):
                await asyncio.sleep(0)
                say(name)
                await asyncio.to_thread(say, name.upper())

        await asyncio.gather(work("a"), work("b"))
        say("nobody")

        assert heard == {"a": [b"a", b"A"], "b": [b"b", b"B"]}

    async def test_a_child_is_heard_with_its_end(self) -> None:
        heard = bytearray()
        with listening(heard.extend):
            await run_child([sys.executable, "-c", "import sys; sys.stderr.write('oh'); sys.exit(3)"], timeout=20)

        name = Path(sys.executable).name
        assert re.fullmatch(rf"oh\n\[{name}: exit 3, \d+\.\d s\]\n", heard.decode())


class TestLogsOfJobs:
    async def test_they_are_there_while_it_runs_and_after_each_attempt(self, sql: Any, settings: Settings) -> None:
        go_on = asyncio.Event()

        async def probe(ctx: TaskContext) -> None:
            if ctx.attempt == 1:
                await run_child(["sh", "-c", "echo $TOKEN warning >&2"], timeout=20)
                raise AdapterError(ErrorCode.CHILD_CRASHED, "boom", retryable=True)
            ctx.say("password=hunter2 the second time")
            await go_on.wait()

        job = await make(sql)
        quick = settings.model_copy(update={"retry_base_seconds": 0.01})

        async with worker_for_tests(quick, {JobKind.PROBE: probe}):

            async def has_both() -> bool:
                return len(await texts(sql, job)) == 2

            await until(has_both)
            running = await sql.fetchval("select status from jobs where id = $1", job)
            go_on.set()
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert running == "RUNNING"
        found = await texts(sql, job)
        assert re.fullmatch(r"warning\n\[sh: exit 0, \d\.\d s\]\n", found[1])
        assert found[2] == "password=*** the second time\n"

    async def test_a_silent_job_has_none(self, sql: Any, settings: Settings) -> None:
        async def probe(ctx: TaskContext) -> None:
            return None

        job = await make(sql)

        async with worker_for_tests(settings, {JobKind.PROBE: probe}):
            assert await ended(sql, job) == ["SUCCEEDED"]

        assert await texts(sql, job) == {}


class TestSaveLogs:
    async def test_older_attempts_go_when_there_is_no_room(self, sql: Any) -> None:
        job, other = await make(sql), await make(sql)
        half = "x" * (MAX_LOG_BYTES // 2)

        for attempt in (1, 2, 3):
            await save_logs(sql, [Said(job, attempt, half, is_cut=False), Said(other, attempt, "few", is_cut=False)])
        await save_logs(sql, [Said(job, 3, half[1:], is_cut=True)])

        assert {n: len(t) for n, t in (await texts(sql, job)).items()} == {2: len(half), 3: len(half) - 1}
        assert await texts(sql, other) == {1: "few", 2: "few", 3: "few"}

    async def test_a_job_that_is_gone_has_no_log(self, sql: Any) -> None:
        job = await make(sql)
        await sql.execute("delete from jobs where id = $1", job)

        await save_logs(sql, [Said(job, 1, "late", is_cut=False)])

        assert await texts(sql, job) == {}
