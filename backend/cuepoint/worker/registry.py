"""Lists every tasks module, and refuses to start when a job kind has no task or two."""

from __future__ import annotations

from collections.abc import Mapping

from cuepoint.features.clips import tasks as clips
from cuepoint.features.deletions import tasks as deletions
from cuepoint.features.imports import tasks as imports
from cuepoint.features.jobs import tasks as jobs
from cuepoint.features.jobs.context import TaskBody, registered_bodies
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.moments import tasks as moments
from cuepoint.features.search import tasks as search
from cuepoint.features.storage import tasks as storage
from cuepoint.features.transcripts import tasks as transcripts
from cuepoint.features.uploads import tasks as uploads
from cuepoint.features.videos import audio_tasks, look_tasks
from cuepoint.features.videos import tasks as videos
from cuepoint.tables import MODELS

LOADED = MODELS  # foreign keys name tables of features without tasks: SQLAlchemy must know those too
TASKS = (
    jobs,
    videos,
    look_tasks,
    audio_tasks,
    transcripts,
    search,
    moments,
    clips,
    uploads,
    imports,
    storage,
    deletions,
)


class RegistryError(Exception):
    """A kind without exactly one task; the message has the line that is missing or too many."""


def task_bodies() -> Mapping[JobKind, TaskBody]:
    """The task of each kind. Raises RegistryError."""
    return one_of_each(registered_bodies())


def one_of_each(registered: Mapping[JobKind, tuple[TaskBody, ...]]) -> Mapping[JobKind, TaskBody]:
    """The single body of every kind. Raises RegistryError."""
    problems = []
    bodies: dict[JobKind, TaskBody] = {}
    for kind in JobKind:
        found = registered.get(kind, ())
        if len(found) == 1:
            bodies[kind] = found[0]
        elif not found:
            problems.append(
                f"{kind.value} has no task: add `@task(JobKind.{kind.name})` in a feature's tasks.py, "
                "and the module to TASKS in worker/registry.py."
            )
        else:
            names = ", ".join(f"{body.__module__}.{getattr(body, '__qualname__', body)}" for body in found)
            problems.append(f"{kind.value} has {len(found)} tasks, one is enough: {names}.")
    if problems:
        raise RegistryError("\n".join(problems))
    return bodies
