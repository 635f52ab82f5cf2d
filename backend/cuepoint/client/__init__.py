"""A small async client of the public API: what the demo, the command line and the end-to-end tests use."""

from __future__ import annotations

from cuepoint.client.errors import ClientError, GraphQLFailure, RequestFailure
from cuepoint.client.feeds import watch_feed, watch_jobs, watch_project, watch_video
from cuepoint.client.http import CuepointClient
from cuepoint.client.jobs import watch_job
from cuepoint.client.upload import upload_file

__all__ = [
    "ClientError",
    "CuepointClient",
    "GraphQLFailure",
    "RequestFailure",
    "upload_file",
    "watch_feed",
    "watch_job",
    "watch_jobs",
    "watch_project",
    "watch_video",
]
