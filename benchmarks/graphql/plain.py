"""Strawberry as in its own documentation: ORM entities, DataLoaders, its ASGI view, the standard library's JSON."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any
from uuid import UUID

import asyncpg
import strawberry
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.types import Info

from cuepoint import tables
from cuepoint.features.clips import models as clip_models
from cuepoint.features.moments import models as moment_models
from cuepoint.features.transcripts import models as transcript_models
from cuepoint.features.videos import models as video_models

assert tables.metadata.tables
engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(os.environ["DATABASE_URL"]))
sessions = async_sessionmaker(engine, expire_on_commit=False)


@strawberry.type
class ServerInfo:
    name: str
    version: str


@strawberry.type
class Segment:
    start_seconds: float
    end_seconds: float
    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


@strawberry.type
class Segments:
    nodes: list[Segment]


@strawberry.type
class Transcript:
    key: strawberry.Private[UUID]
    language: str | None

    @strawberry.field
    async def segments(self, info: Info, first: int = 25) -> Segments:
        rows = await info.context["segments"].load((self.key, first))
        return Segments(
            nodes=[
                Segment(
                    start_seconds=round(row.start_ms / 1000, 3),
                    end_seconds=round(row.end_ms / 1000, 3),
                    text=row.text,
                    avg_logprob=round(row.avg_logprob, 4),
                    no_speech_prob=round(row.no_speech_prob, 4),
                    compression_ratio=round(row.compression_ratio, 4),
                )
                for row in rows
            ]
        )


@strawberry.type
class Total:
    total_count: int


@strawberry.type
class Video:
    key: strawberry.Private[UUID]
    id: strawberry.ID
    title: str
    duration_seconds: float | None
    size_bytes: float
    created_at: str

    @strawberry.field
    async def transcript(self, info: Info) -> Transcript | None:
        row = await info.context["transcripts"].load(self.key)
        return None if row is None else Transcript(key=row.id, language=row.language)

    @strawberry.field
    async def clips(self, info: Info) -> Total:
        return Total(total_count=await info.context["clips"].load(self.key))

    @strawberry.field
    async def moments(self, info: Info) -> Total:
        return Total(total_count=await info.context["moments"].load(self.key))


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class VideoEdge:
    cursor: str
    node: Video


@strawberry.type
class Videos:
    nodes: list[Video]
    edges: list[VideoEdge]
    page_info: PageInfo

    @strawberry.field
    async def total_count(self) -> int:
        async with sessions() as session:
            return (await session.execute(select(func.count()).select_from(video_models.Video))).scalar_one()


def to_video(row: Any) -> Video:
    """Copy the columns."""
    return Video(
        key=row.id,
        id=strawberry.ID(f"video_{row.id.hex}"),
        title=row.title,
        duration_seconds=None if row.duration_ms is None else row.duration_ms / 1000,
        size_bytes=row.size_bytes,
        created_at=row.created_at.isoformat(),
    )


@strawberry.type
class Query:
    @strawberry.field
    def server_info(self) -> ServerInfo:
        return ServerInfo(name="Cuepoint", version="0.1.0")

    @strawberry.field
    async def video(self, id: strawberry.ID) -> Video | None:
        async with sessions() as session:
            row = await session.get(video_models.Video, UUID(id.removeprefix("video_")))
        return None if row is None else to_video(row)

    @strawberry.field
    async def videos(self, first: int = 25) -> Videos:
        async with sessions() as session:
            order = (video_models.Video.created_at.desc(), video_models.Video.id.desc())
            rows = (await session.scalars(select(video_models.Video).order_by(*order).limit(first + 1))).all()
        nodes = [to_video(row) for row in rows[:first]]
        info = PageInfo(has_next_page=len(rows) > first, end_cursor=nodes[-1].id)
        return Videos(nodes=nodes, edges=[VideoEdge(cursor=node.id, node=node) for node in nodes], page_info=info)


async def load_transcripts(keys: list[UUID]) -> list[Any]:
    """The active transcript of each video."""
    table = transcript_models.Transcript
    active = table.status == transcript_models.TranscriptStatus.ACTIVE
    async with sessions() as session:
        found = {
            row.video_id: row for row in await session.scalars(select(table).where(table.video_id.in_(keys), active))
        }
    return [found.get(key) for key in keys]


async def load_segments(keys: list[tuple[UUID, int]]) -> list[list[Any]]:
    """The first segments of each transcript."""
    table = transcript_models.TranscriptSegment
    ids, first = [key for key, _ in keys], max(count for _, count in keys)
    grouped: dict[UUID, list[Any]] = defaultdict(list)
    statement = select(table).where(table.transcript_id.in_(ids), table.position < first)
    async with sessions() as session:
        for row in await session.scalars(statement.order_by(table.transcript_id, table.position)):
            grouped[row.transcript_id].append(row)
    return [grouped[key] for key, _ in keys]


def counter(table: Any) -> Any:
    """A batch function that counts the rows of each video."""

    async def load(keys: list[UUID]) -> list[int]:
        statement = select(table.video_id, func.count()).where(table.video_id.in_(keys)).group_by(table.video_id)
        async with sessions() as session:
            found = dict((await session.execute(statement)).tuples().all())
        return [found.get(key, 0) for key in keys]

    return load


class Server(GraphQL[Any, Any]):
    async def get_context(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {
            "transcripts": DataLoader(load_transcripts),
            "segments": DataLoader(load_segments),
            "clips": DataLoader(counter(clip_models.Clip)),
            "moments": DataLoader(counter(moment_models.Moment)),
        }


app = Server(strawberry.Schema(Query))
