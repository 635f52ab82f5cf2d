"""A small async client of the public API: what the demo, the command line and the end-to-end tests use."""

from __future__ import annotations

from cuepoint.client.errors import ClientError, GraphQLFailure, RequestFailure
from cuepoint.client.http import CuepointClient
from cuepoint.client.jobs import watch_job
from cuepoint.client.upload import upload_file

__all__ = ["ClientError", "CuepointClient", "GraphQLFailure", "RequestFailure", "upload_file", "watch_job"]
