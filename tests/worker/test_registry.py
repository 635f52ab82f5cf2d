"""Every kind has exactly one task, and the message of a wrong start says what to write."""

from __future__ import annotations

import pytest

from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import JobKind
from cuepoint.worker.registry import RegistryError, one_of_each, task_bodies


async def body(ctx: TaskContext) -> None:
    """A task."""


class TestTaskBodies:
    def test_every_kind_has_one(self) -> None:
        assert set(task_bodies()) == set(JobKind)


class TestOneOfEach:
    def test_a_kind_without_a_task_is_named_with_the_missing_line(self) -> None:
        registered = {kind: (body,) for kind in JobKind if kind is not JobKind.PROBE}

        with pytest.raises(RegistryError, match=r"PROBE has no task: add `@task\(JobKind.PROBE\)`"):
            one_of_each(registered)

    def test_a_kind_with_two_tasks_names_both(self) -> None:
        registered = dict.fromkeys(JobKind, (body,)) | {JobKind.PROBE: (body, body)}

        with pytest.raises(RegistryError, match=r"PROBE has 2 tasks"):
            one_of_each(registered)
