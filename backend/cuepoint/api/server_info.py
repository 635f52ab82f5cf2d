"""GraphQL roots about the instance itself: `serverInfo` and `health`."""

from __future__ import annotations

import asyncio
from enum import Enum
from importlib.metadata import version

import strawberry

from cuepoint.adapters.media.capabilities import burns_captions
from cuepoint.api.graphql_request import MAX_BODY_BYTES
from cuepoint.api.health import HealthChecks, HealthPart, PartHealth
from cuepoint.graphql.connections import MAX_FIRST
from cuepoint.graphql.context import Context, Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.limits import MAX_ALIASES, MAX_COST, MAX_DEPTH, MAX_FIELDS, MAX_ROOT_FIELDS
from cuepoint.graphql.scalars import BigInt

DEMO_NOTE = (
    "This is the bundled demo model. It knows the few words of its own small domain only, so that on other recordings "
    "its text is wrong. Set CUEPOINT_WHISPER_MODEL to a Whisper model (a directory, or a size such as `small`) and "
    "start again."
)


VERSION = version("cuepoint")  # read once: it opens a file


class ServerFeature(Enum):
    """What an instance may have switched on."""

    GRAPHIQL = "GRAPHIQL"
    INTROSPECTION = "INTROSPECTION"
    MODEL_DOWNLOADS = "MODEL_DOWNLOADS"
    PROVIDER_EMBEDDINGS = "PROVIDER_EMBEDDINGS"
    BURNED_CAPTIONS = "BURNED_CAPTIONS"


describe_enum(
    ServerFeature,
    {
        ServerFeature.GRAPHIQL: "The GraphiQL explorer at /graphql.",
        ServerFeature.INTROSPECTION: "Introspection queries are answered.",
        ServerFeature.MODEL_DOWNLOADS: "Speech models may be fetched by name.",
        ServerFeature.PROVIDER_EMBEDDINGS: "Embeddings come from OpenAI or a compatible server.",
        ServerFeature.BURNED_CAPTIONS: "Captions can be painted into the picture: ffmpeg has libass.",
    },
    description="What this instance has switched on.",
)
describe_enum(
    HealthPart,
    {
        HealthPart.POSTGRES: "The database.",
        HealthPart.MIGRATIONS: "The database has the schema that this version needs.",
        HealthPart.REDIS: "Bells and live progress; without it jobs run all the same, a little later.",
        HealthPart.STORAGE: "Files can be written, read and deleted.",
        HealthPart.FFMPEG: "ffmpeg runs.",
        HealthPart.WORKER: "At least one worker is alive.",
    },
    description="A part of the instance that is checked.",
)


@strawberry.type(description="Limits of this instance.")
class ServerLimits:
    """What a client should know before it is refused."""

    upload_max_bytes: BigInt = strawberry.field(description="Largest upload, in bytes.")
    media_max_duration_seconds: float = strawberry.field(description="Longest media, in seconds.")
    media_max_pixels: int = strawberry.field(description="Largest picture, width times height.")
    signed_url_seconds: int = strawberry.field(description="How long a signed media URL opens its file.")
    request_max_bytes: int = strawberry.field(description="Largest GraphQL request, in bytes.")
    page_max: int = strawberry.field(description="Largest `first` of most lists.")
    query_max_depth: int = strawberry.field(description="How deep fields may nest.")
    query_max_cost: int = strawberry.field(description="Largest cost of an operation: fields times page sizes.")
    query_max_fields: int = strawberry.field(description="Fields an operation may select.")
    query_max_aliases: int = strawberry.field(description="Aliases an operation may use.")
    query_max_root_fields: int = strawberry.field(description="Root fields an operation may select.")


@strawberry.type(description="The speech recognition in use.")
class SpeechModel:
    """Which model turns sound into text."""

    engine: str = strawberry.field(description="Name of the engine.")
    model: str = strawberry.field(description="Name of the model.")
    is_demo_model: bool = strawberry.field(
        description="Whether it is the bundled toy model, which understands its own small domain only."
    )
    note: str | None = strawberry.field(description="What to know about this model, and the setting that changes it.")


@strawberry.type(description="The vector space in which texts are searched.")
class EmbeddingSpaceInfo:
    """Which embedder makes new vectors."""

    provider: str = strawberry.field(description="Who computes the vectors: `static`, `openai`, or a server's host.")
    model: str = strawberry.field(description="Name of the model.")
    native_dimensions: int = strawberry.field(description="Dimensions before padding to 1536.")


async def _limits(info: Info) -> ServerLimits | None:
    info.context.require_viewer()
    settings = info.context.settings
    return ServerLimits(
        upload_max_bytes=BigInt(settings.upload_max_bytes),
        media_max_duration_seconds=float(settings.media_max_duration_seconds),
        media_max_pixels=settings.media_max_pixels,
        signed_url_seconds=settings.signed_url_seconds,
        request_max_bytes=MAX_BODY_BYTES,
        page_max=MAX_FIRST,
        query_max_depth=MAX_DEPTH,
        query_max_cost=MAX_COST,
        query_max_fields=MAX_FIELDS,
        query_max_aliases=MAX_ALIASES,
        query_max_root_fields=MAX_ROOT_FIELDS,
    )


async def _features(info: Info) -> list[ServerFeature] | None:
    info.context.require_viewer()
    settings = info.context.settings
    switches = {
        ServerFeature.GRAPHIQL: settings.graphiql,
        ServerFeature.INTROSPECTION: settings.introspection,
        ServerFeature.MODEL_DOWNLOADS: settings.model_downloads,
        ServerFeature.PROVIDER_EMBEDDINGS: settings.embeds_by_provider,
        ServerFeature.BURNED_CAPTIONS: await burns_captions(),
    }
    return [feature for feature, is_on in switches.items() if is_on]


async def _speech_model(info: Info) -> SpeechModel | None:
    info.context.require_viewer()
    model = await asyncio.to_thread(info.context.adapters.transcriber.model_info)
    return SpeechModel(
        engine=model.engine,
        model=model.model,
        is_demo_model=model.is_demo,
        note=DEMO_NOTE if model.is_demo else "CUEPOINT_WHISPER_MODEL names the model.",
    )


async def _embedding_space(info: Info) -> EmbeddingSpaceInfo | None:
    info.context.require_viewer()
    space = await asyncio.to_thread(info.context.adapters.embedder.space)
    return EmbeddingSpaceInfo(provider=space.provider, model=space.model, native_dimensions=space.native_dimensions)


async def _ffmpeg_version(info: Info) -> str | None:
    info.context.require_viewer()
    return await info.context.service(HealthChecks).ffmpeg_version()


@strawberry.type(description="What this instance is. Name and version need no credential, the rest does.")
class ServerInfo:
    """The instance."""

    name: str = strawberry.field(description="Always `Cuepoint`.")
    version: str = strawberry.field(description="Version of the server.")
    limits: ServerLimits | None = strawberry.field(resolver=_limits, description="Its limits.")
    features: list[ServerFeature] | None = strawberry.field(resolver=_features, description="What is switched on.")
    speech_model: SpeechModel | None = strawberry.field(
        resolver=_speech_model, description="The model that new transcripts are made with."
    )
    embedding_space: EmbeddingSpaceInfo | None = strawberry.field(
        resolver=_embedding_space, description="The space in which new texts and queries are embedded."
    )
    ffmpeg_version: str | None = strawberry.field(
        resolver=_ffmpeg_version, description="Version of ffmpeg; null if it does not run."
    )


@strawberry.type(description="State of one part.")
class HealthCheck:
    """One part of the instance."""

    part: HealthPart = strawberry.field(description="Which part.")
    is_healthy: bool = strawberry.field(description="Whether it works.")
    message: str | None = strawberry.field(description="What was found or what to do; null without a credential.")

    @classmethod
    def from_row(cls, health: PartHealth, context: Context) -> HealthCheck:
        """Details are for those who have a credential."""
        return cls(
            part=health.part,
            is_healthy=health.is_healthy,
            message=None if context.viewer is None else health.message,
        )


@strawberry.type(description="Whether the instance works, part by part. Needs no credential.")
class Health:
    """All parts."""

    is_healthy: bool = strawberry.field(description="Whether every part works.")
    checks: list[HealthCheck] = strawberry.field(description="Each part, checked at most 2 seconds ago.")


async def _server_info() -> ServerInfo:
    return ServerInfo(name="Cuepoint", version=VERSION)


async def _health(info: Info) -> Health:
    parts = await info.context.service(HealthChecks).check()
    return Health(
        is_healthy=all(part.is_healthy for part in parts),
        checks=[HealthCheck.from_row(part, info.context) for part in parts],
    )


@strawberry.type(description="Queries about the instance.")
class ServerQuery:
    """Queries about the instance."""

    server_info: ServerInfo = strawberry.field(resolver=_server_info, description="What this instance is and can do.")
    health: Health = strawberry.field(resolver=_health, description="Whether the parts of this instance work.")
