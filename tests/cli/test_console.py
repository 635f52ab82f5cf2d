"""Tables of the console: what an operator reads, from answers of the API."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from cuepoint.cli.environment import console
from cuepoint.cli.jobs import age, detail, jobs_table
from cuepoint.cli.main import cli
from cuepoint.cli.queues import queues_table
from cuepoint.cli.workers import workers_table


def shown(table: Any, width: int = 200) -> list[str]:
    console = Console(width=width, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def job(**changes: Any) -> dict[str, Any]:
    return {
        "id": "job_1",
        "title": "Cut [a] clip",
        "status": "RUNNING",
        "progress": 0.5,
        "stage": "cutting",
        "etaSeconds": 12.4,
        "attempt": 1,
        "maxAttempts": 3,
        "createdAt": datetime.now(UTC).isoformat(),
        "project": {"name": "P"},
        "error": None,
        "waitReason": None,
        "cancelledBy": None,
    } | changes


class TestJobsTable:
    def test_shows_what_each_one_does(self) -> None:
        lines = shown(jobs_table({"nodes": [job()], "totalCount": 7}))

        assert lines[0].split() == ["JOB", "WHAT", "STATUS", "DONE", "TRY", "AGE", "PROJECT", "DETAIL"]
        assert "Cut [a] clip  RUNNING  50 %  1/3" in lines[1]
        assert lines[1].endswith("cutting, 12 s left")
        assert lines[2] == "1 of 7 jobs"

    def test_an_id_is_whole_on_a_narrow_terminal_too(self) -> None:
        long = job(id="job_01a2006918de77dfa2b374321c902e23", title="Transcribe what is said in the film")

        lines = shown(jobs_table({"nodes": [long], "totalCount": 1}), width=60)

        assert lines[1].startswith(f"{long['id']}  ")

    def test_says_so_when_there_are_none(self) -> None:
        assert shown(jobs_table({"nodes": [], "totalCount": 0})) == ["No jobs."]


class TestDetail:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({}, "cutting, 12 s left"),
            ({"stage": None, "etaSeconds": 3}, "3 s left"),
            ({"stage": None, "etaSeconds": None}, ""),
            ({"status": "QUEUED", "waitReason": {"message": "The queue cpu is paused."}}, "The queue cpu is paused."),
            ({"status": "FAILED", "error": {"code": "JOB_TIMEOUT", "message": "Too long."}}, "JOB_TIMEOUT: Too long."),
            ({"status": "SUCCEEDED"}, ""),
            ({"status": "CANCELLED"}, ""),
            ({"status": "CANCELLED", "cancelledBy": {"id": "job_7"}}, "It required job_7, which did not succeed."),
        ],
    )
    def test_is_what_matters_in_that_state(self, changes: dict[str, Any], text: str) -> None:
        assert detail(job(**changes)) == text


class TestJobs:
    def test_a_table_that_is_live_is_no_json(self) -> None:
        result = CliRunner().invoke(cli, ["jobs", "--watch", "--json"])

        assert result.exit_code == 2
        assert "--watch shows a table: leave out --json." in result.output


class TestAge:
    @pytest.mark.parametrize(
        ("seconds", "text"), [(-5, "0 s"), (5, "5 s"), (130, "2 min"), (7300, "2 h"), (200_000, "2 d")]
    )
    def test_is_told_in_its_largest_unit(self, seconds: float, text: str) -> None:
        assert age((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()) == text


class TestQueuesTable:
    @pytest.mark.parametrize(
        ("changes", "ending"),
        [({}, ""), ({"isPaused": True}, "paused"), ({"workerCount": 0, "slots": 0}, "no worker")],
    )
    def test_points_at_what_is_wrong(self, changes: dict[str, Any], ending: str) -> None:
        queue = {
            "name": "cpu",
            "queued": 3,
            "running": 2,
            "scheduled": 1,
            "oldestAgeSeconds": 61.2,
            "isPaused": False,
            "workerCount": 1,
            "slots": 2,
        }

        words = shown(queues_table([queue | changes]))[1].split()

        assert words[:6] == ["cpu", "3", "2", "1", "61", "s"]
        assert " ".join(words[8:]) == ending


class TestWorkersTable:
    def test_shows_jobs_and_warnings(self) -> None:
        now = datetime.now(UTC).isoformat()
        worker = {
            "id": "worker_1",
            "host": "h",
            "pid": 7,
            "state": "LIVE",
            "lanes": ["cpu", "io"],
            "slots": None,
            "startedAt": now,
            "lastHeartbeatAt": now,
            "warnings": ["Silent for 9 s; lost after 15 s."],
            "currentJobs": [{"title": "Transcribe", "progress": 0.25}],
        }

        lines = shown(workers_table([worker]))

        assert lines[1].split()[:4] == ["worker_1", "h:7", "LIVE", "cpu,io"]
        assert lines[1].endswith("Transcribe 25 %")
        assert lines[2].strip() == "Silent for 9 s; lost after 15 s."

    def test_an_id_is_whole_on_a_narrow_terminal_too(self) -> None:
        now = datetime.now(UTC).isoformat()
        worker = {
            "id": "worker_01a2006918de77dfa2b374321c902e23",
            "host": "a-machine-with-a-long-name",
            "pid": 7,
            "state": "LIVE",
            "lanes": ["cpu", "gpu", "io", "llm"],
            "slots": 11,
            "startedAt": now,
            "lastHeartbeatAt": now,
            "warnings": [],
            "currentJobs": [],
        }

        assert shown(workers_table([worker]), width=60)[1].startswith(f"{worker['id']}  ")


class TestConsole:
    @pytest.mark.parametrize(("is_terminal", "width"), [(False, 200), (True, 77)], ids=["pipe", "terminal"])
    def test_is_wide_where_there_is_no_terminal(
        self, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, width: int
    ) -> None:
        monkeypatch.setenv("COLUMNS", "77")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)

        assert console().width == width


class TestRetry:
    @pytest.mark.parametrize("arguments", [[], ["job_1", "--failed"]])
    def test_needs_one_job_or_all(self, arguments: list[str]) -> None:
        result = CliRunner().invoke(cli, ["retry", *arguments])

        assert result.exit_code == 2
        assert "Name one job, or pass --failed." in result.output
