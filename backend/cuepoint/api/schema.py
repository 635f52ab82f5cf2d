"""The schema: every feature's roots joined, and every feature's loaders bound. The one list of both."""

from __future__ import annotations

import strawberry

from cuepoint.api.live_clients import LiveClientQuery
from cuepoint.api.server_info import ServerQuery
from cuepoint.features.administration.schema import AdministrationMutation, AdministrationQuery
from cuepoint.features.batches.schema import BatchMutation, BatchQuery
from cuepoint.features.clips.deletion_schema import ClipDeletionMutation
from cuepoint.features.clips.loaders import BINDINGS as CLIP_BINDINGS
from cuepoint.features.clips.schema import ClipMutation, ClipQuery
from cuepoint.features.deletions.schema import DeletionMutation
from cuepoint.features.imports.loaders import BINDINGS as IMPORT_BINDINGS
from cuepoint.features.imports.schema import ImportMutation, ImportQuery
from cuepoint.features.imports.source_schema import ImportSourceMutation, ImportSourceQuery
from cuepoint.features.jobs.loaders import BINDINGS as JOB_BINDINGS
from cuepoint.features.jobs.schema import JobMutation, JobQuery, JobSubscription
from cuepoint.features.moments.loaders import BINDINGS as MOMENT_BINDINGS
from cuepoint.features.moments.schema import MomentMutation, MomentQuery
from cuepoint.features.presets.loaders import BINDINGS as PRESET_BINDINGS
from cuepoint.features.presets.schema import PresetMutation, PresetQuery
from cuepoint.features.projects.loaders import BINDINGS as PROJECT_BINDINGS
from cuepoint.features.projects.schema import ProjectMutation, ProjectQuery
from cuepoint.features.queues.schedule_schema import ScheduleMutation, ScheduleQuery
from cuepoint.features.queues.schema import QueueMutation, QueueQuery
from cuepoint.features.quotas.loaders import BINDINGS as QUOTA_BINDINGS
from cuepoint.features.quotas.schema import QuotaMutation, QuotaQuery
from cuepoint.features.search.schema import SearchQuery
from cuepoint.features.shares.loaders import BINDINGS as SHARE_BINDINGS
from cuepoint.features.shares.schema import ShareMutation, ShareQuery
from cuepoint.features.storage.loaders import BINDINGS as STORAGE_BINDINGS
from cuepoint.features.storage.schema import StorageMutation, StorageQuery
from cuepoint.features.transcripts.loaders import BINDINGS as TRANSCRIPT_BINDINGS
from cuepoint.features.transcripts.schema import TranscriptQuery
from cuepoint.features.trash.schema import TrashMutation, TrashQuery
from cuepoint.features.uploads.parts_schema import UploadPartsMutation, UploadSubscription
from cuepoint.features.uploads.schema import UploadMutation, UploadQuery
from cuepoint.features.users.loaders import BINDINGS as USER_BINDINGS
from cuepoint.features.users.page_schema import PageMutation
from cuepoint.features.users.schema import UserMutation, UserQuery
from cuepoint.features.videos.detail_schema import VideoDetailMutation
from cuepoint.features.videos.loaders import BINDINGS as VIDEO_BINDINGS
from cuepoint.features.videos.look_schema import VideoLookMutation, VideoLookQuery
from cuepoint.features.videos.schema import VideoMutation, VideoQuery
from cuepoint.graphql.config import build_schema
from cuepoint.graphql.loaders import collect_bindings
from cuepoint.graphql.nodes import NodeQuery

BINDINGS = collect_bindings(
    USER_BINDINGS,
    PROJECT_BINDINGS,
    JOB_BINDINGS,
    PRESET_BINDINGS,
    QUOTA_BINDINGS,
    VIDEO_BINDINGS,
    IMPORT_BINDINGS,
    TRANSCRIPT_BINDINGS,
    MOMENT_BINDINGS,
    CLIP_BINDINGS,
    STORAGE_BINDINGS,
    SHARE_BINDINGS,
)


@strawberry.type(description="Everything that can be read.")
class Query(
    ServerQuery,
    LiveClientQuery,
    NodeQuery,
    UserQuery,
    ProjectQuery,
    JobQuery,
    PresetQuery,
    QuotaQuery,
    QueueQuery,
    ScheduleQuery,
    BatchQuery,
    UploadQuery,
    VideoQuery,
    VideoLookQuery,
    ImportQuery,
    ImportSourceQuery,
    TrashQuery,
    StorageQuery,
    TranscriptQuery,
    SearchQuery,
    MomentQuery,
    ClipQuery,
    ShareQuery,
    AdministrationQuery,
):
    """The query root."""


@strawberry.type(description="Everything that can be changed. A refused mutation changes nothing.")
class Mutation(
    UserMutation,
    ProjectMutation,
    JobMutation,
    PresetMutation,
    QuotaMutation,
    QueueMutation,
    ScheduleMutation,
    BatchMutation,
    UploadMutation,
    UploadPartsMutation,
    VideoMutation,
    ImportMutation,
    ImportSourceMutation,
    VideoDetailMutation,
    VideoLookMutation,
    PageMutation,
    TrashMutation,
    StorageMutation,
    MomentMutation,
    ClipMutation,
    ClipDeletionMutation,
    DeletionMutation,
    ShareMutation,
    AdministrationMutation,
):
    """The mutation root."""


@strawberry.type(
    description="Everything that can be watched: by WebSocket (graphql-transport-ws), server-sent events or multipart."
)
class Subscription(JobSubscription, UploadSubscription):
    """The subscription root."""


schema = build_schema(Query, Mutation, Subscription)
