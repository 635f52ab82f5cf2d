"""Watching many jobs, over broken connections: each update brings the cursor to go on behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from cuepoint.client.http import CuepointClient
from cuepoint.client.resuming import resumed

UPDATE = """{
  cursor jobId kind videoId result
  update {
    type seq status attempt progress stage processedSeconds totalSeconds etaSeconds
    event { type error { code message hint } }
  }
}"""
JOBS_UPDATED = f"""subscription JobsUpdated($filter: JobFilterInput, $after: String) {{
  jobsUpdated(filter: $filter, after: $after) {UPDATE}
}}"""
PROJECT_EVENTS = f"""subscription ProjectEvents($projectId: ID!, $after: String) {{
  projectEvents(projectId: $projectId, after: $after) {UPDATE}
}}"""
VIDEO_EVENTS = f"""subscription VideoEvents($videoId: ID!, $after: String) {{
  videoEvents(videoId: $videoId, after: $after) {UPDATE}
}}"""


def watch_jobs(
    client: CuepointClient, filter: Mapping[str, Any] | None = None, *, after: str | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """Updates of all jobs that the caller may see and the filter lets through, without end."""
    return watch_feed(client, JOBS_UPDATED, {"filter": filter}, after=after)


def watch_project(
    client: CuepointClient, project_id: str, *, after: str | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """Updates of the jobs of a project, without end."""
    return watch_feed(client, PROJECT_EVENTS, {"projectId": project_id}, after=after)


def watch_video(
    client: CuepointClient, video_id: str, *, after: str | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """Updates of the jobs of a video, and what they bring, without end."""
    return watch_feed(client, VIDEO_EVENTS, {"videoId": video_id}, after=after)


async def watch_feed(
    client: CuepointClient, document: str, variables: Mapping[str, Any], *, after: str | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """Updates of a subscription to one field that has `cursor` and takes `$after`.

    After a broken connection it goes on behind the last update, on whichever server answers: nothing is missed,
    nothing comes twice but SNAPSHOTs. Keep `cursor` to go on in another process. Raises RequestFailure when the
    server stays away, GraphQLFailure when it refuses.
    """
    async with aclosing(resumed(client, document, variables, _ByCursor(after))) as updates:
        async for update in updates:
            yield update


@dataclass
class _ByCursor:
    after: str | None

    def note(self, update: Mapping[str, Any]) -> bool:
        """A feed has no end."""
        self.after = update["cursor"]
        return False
