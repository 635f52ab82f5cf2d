"""What a reader of many jobs asks for: the filter, the rights it needs, and the name of its cursors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import BadInputError
from cuepoint.features.jobs.cursors import Cursor, MalformedCursorError
from cuepoint.features.jobs.event_log import LoggedJob, Scope, project_of_video
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.viewer import Viewer

# How each field of the filter is asked of one job; the status is that after the event.
_TESTS: Mapping[str, Callable[[LoggedJob, Any], bool]] = {
    "status": lambda job, wanted: (job.event or job.state).status in wanted,
    "kind": lambda job, wanted: job.kind in wanted,
    "lane": lambda job, wanted: job.lane in wanted,
    "error_code": lambda job, wanted: job.error_code in wanted,
    "project_id": lambda job, wanted: job.project_id == wanted,
    "video_id": lambda job, wanted: job.video_id == wanted,
    "batch_id": lambda job, wanted: job.batch_id == wanted,
    "created_by_id": lambda job, wanted: job.created_by_id == wanted,
    "created_from": lambda job, wanted: job.created_at >= wanted,
    "created_before": lambda job, wanted: job.created_at < wanted,
}


@dataclass(frozen=True)
class FeedRequest:
    """Who wants to watch which jobs."""

    viewer: Viewer
    filter: JobFilter

    @property
    def narrowing(self) -> list[tuple[str, Any]]:
        """The fields of the filter that narrow."""
        given = [(field.name, getattr(self.filter, field.name)) for field in fields(self.filter)]
        return [(name, value) for name, value in given if value is not None and not _is_empty(value)]

    @property
    def name(self) -> str:
        """What tells this feed's cursors from those of others. A field that is added later changes no name."""
        return repr([(name, _text(value)) for name, value in sorted(self.narrowing, key=itemgetter(0))])

    def matches(self, job: LoggedJob) -> bool:
        """Whether the filter lets the job, or its event, through."""
        return all(_TESTS[name](job, value) for name, value in self.narrowing)

    def cursor(self, after: str | None) -> Cursor | None:
        """The position that `after` stands for. Raises BadInputError for one of another feed, and for nonsense."""
        try:
            return None if after is None else Cursor.decode(after, self.name)
        except MalformedCursorError:
            raise BadInputError(
                "`after` must be a cursor of this feed, with the same filter.", field=("after",)
            ) from None

    async def scope(self, session: AsyncSession) -> Scope:
        """The jobs that the viewer may see now. Raises NotFoundError for a project or video that is not theirs."""
        if self.filter.video_id is not None:
            project_id = await project_of_video(session, self.filter.video_id)
            if self.filter.project_id not in (None, project_id):
                project_id = None
            await access.require(session, self.viewer, project_id, ProjectRole.VIEWER, noun="video")
            assert project_id is not None  # without a project nobody passes
            return Scope((project_id,), self.filter.video_id)
        if self.filter.project_id is not None:
            await access.require(session, self.viewer, self.filter.project_id, ProjectRole.VIEWER)
            return Scope((self.filter.project_id,))
        if self.viewer.sees_all:
            return Scope(None)
        return Scope(tuple(sorted(await session.scalars(access.visible_projects(self.viewer)))))


def _is_empty(value: object) -> bool:
    return isinstance(value, tuple | list) and not value


def _text(value: object) -> str:
    return str(sorted(map(str, value))) if isinstance(value, tuple | list) else str(value)
