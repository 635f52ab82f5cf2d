"""The schema: every feature's roots joined, and every feature's loaders bound. The one list of both."""

from __future__ import annotations

import strawberry

from cuepoint.api.server_info import ServerQuery
from cuepoint.features.batches.schema import BatchMutation, BatchQuery
from cuepoint.features.clips.loaders import BINDINGS as CLIP_BINDINGS
from cuepoint.features.clips.schema import ClipMutation, ClipQuery
from cuepoint.features.jobs.loaders import BINDINGS as JOB_BINDINGS
from cuepoint.features.jobs.schema import JobMutation, JobQuery, JobSubscription
from cuepoint.features.moments.loaders import BINDINGS as MOMENT_BINDINGS
from cuepoint.features.moments.schema import MomentMutation, MomentQuery
from cuepoint.features.projects.loaders import BINDINGS as PROJECT_BINDINGS
from cuepoint.features.projects.schema import ProjectMutation, ProjectQuery
from cuepoint.features.queues.schema import QueueMutation, QueueQuery
from cuepoint.features.search.schema import SearchQuery
from cuepoint.features.transcripts.loaders import BINDINGS as TRANSCRIPT_BINDINGS
from cuepoint.features.transcripts.schema import TranscriptQuery
from cuepoint.features.uploads.schema import UploadMutation, UploadQuery
from cuepoint.features.users.loaders import BINDINGS as USER_BINDINGS
from cuepoint.features.users.schema import UserMutation, UserQuery
from cuepoint.features.videos.loaders import BINDINGS as VIDEO_BINDINGS
from cuepoint.features.videos.schema import VideoMutation, VideoQuery
from cuepoint.graphql.config import build_schema
from cuepoint.graphql.loaders import collect_bindings

BINDINGS = collect_bindings(
    USER_BINDINGS,
    PROJECT_BINDINGS,
    JOB_BINDINGS,
    VIDEO_BINDINGS,
    TRANSCRIPT_BINDINGS,
    MOMENT_BINDINGS,
    CLIP_BINDINGS,
)


@strawberry.type(description="Everything that can be read.")
class Query(
    ServerQuery,
    UserQuery,
    ProjectQuery,
    JobQuery,
    QueueQuery,
    BatchQuery,
    UploadQuery,
    VideoQuery,
    TranscriptQuery,
    SearchQuery,
    MomentQuery,
    ClipQuery,
):
    """The query root."""


@strawberry.type(description="Everything that can be changed. A refused mutation changes nothing.")
class Mutation(
    UserMutation,
    ProjectMutation,
    JobMutation,
    QueueMutation,
    BatchMutation,
    UploadMutation,
    VideoMutation,
    MomentMutation,
    ClipMutation,
):
    """The mutation root."""


@strawberry.type(
    description="Everything that can be watched: by WebSocket (graphql-transport-ws), server-sent events or multipart."
)
class Subscription(JobSubscription):
    """The subscription root."""


schema = build_schema(Query, Mutation, Subscription)
