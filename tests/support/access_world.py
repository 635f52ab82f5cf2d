"""A project with everything in it, its callers, and ways to ask as each of them without changing anything."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from graphql import GraphQLField
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.bundle import build_adapters
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.adapters.storage.base import Storage
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway, response_body
from cuepoint.api.health import HealthChecks
from cuepoint.api.schema import BINDINGS, schema
from cuepoint.api.visitors import visitor_token
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.revision import newest_revision
from cuepoint.db.session import Database
from cuepoint.errors import UnauthenticatedError
from cuepoint.features.imports.models import ImportSource, SourceKind
from cuepoint.features.jobs.backpressure import queue_limits
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.jobs.models import JobKind, JobStatus, Schedule, Worker, WorkerState
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.users import service as users
from cuepoint.features.users.models import ApiKey, User
from cuepoint.features.videos.models import Video
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.scalars import decode_id, encode_id
from cuepoint.viewer import Scope, Viewer
from tests.support.access_matrix import CALLERS, Making, Row, document, filled
from tests.support.builders.attempts import make_job
from tests.support.builders.clips import make_clip, make_moment, make_reel
from tests.support.builders.jobs import make_job as enqueue
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.search import AxisEmbedder, axis, index, make_space
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import PASSWORD, make_user, sign_in, viewer_of
from tests.support.builders.videos import make_upload, make_video
from tests.support.graphql import count_statements

_ID = re.compile(r"([a-z]+)_[0-9a-f]{32}")


class DryDatabase(Database):
    """Writes that are undone at their end, so that every caller finds the same world."""

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that never commits."""
        async with self._sessions() as session:
            transaction = await session.begin()
            try:
                yield session
                await session.flush()
                session.expunge_all()  # else a rollback would make the rows unreadable
            finally:
                await transaction.rollback()


@dataclass(frozen=True)
class Answer:
    """What came back, and what it cost."""

    body: Mapping[str, Any]
    statements: int


@dataclass(frozen=True)
class World:
    """The callers' tokens, the objects' ids, a process, and one whose writes are undone."""

    db: Database
    process: Process
    dry: Process
    tokens: Mapping[str, str]
    ids: Mapping[str, str]

    def absent(self) -> dict[str, str]:
        """Ids of the same types of which there is nothing."""
        return {name: _ID.sub(lambda match: f"{match[1]}_{uuid7().hex}", value) for name, value in self.ids.items()}

    async def ask(self, caller: str, row: Row, field: GraphQLField, ids: Mapping[str, str]) -> Answer:
        """The field as that caller sees it; of a subscription the first answer."""
        query, variables = document(row.kind, row.name, field, json.loads(row.with_ids(ids)))
        try:
            viewer = await self.viewer(caller)
        except UnauthenticatedError as error:
            return Answer({"errors": [{"message": error.message, "extensions": {"code": error.code.value}}]}, 0)
        process = self.process if row.is_kept else self.dry
        context = Context(process, viewer=viewer, request_id="r1", base_url="https://video.example.org")
        with count_statements(self.process.db.engine) as seen:
            if row.kind == "subscription":
                body = await _first(query, variables, context)
            else:
                result = await schema.execute(query, variable_values=variables, context_value=context)
                body = response_body(result, "r1")
        return Answer(body, len(seen))

    async def viewer(self, caller: str) -> Viewer | None:
        """Who the caller's token stands for. Raises UnauthenticatedError for the expired one."""
        token = self.tokens.get(caller)
        authenticator = Authenticator(self.db, self.process.adapters.signer)
        return await authenticator.viewer(None if token is None else f"Bearer {token}")


async def _first(query: str, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    results: Any = await schema.stream(query, variable_values=variables, context_value=context)
    async with asyncio.timeout(10), aclosing(results):
        return response_body(await anext(results), "r1")


@asynccontextmanager
async def world_of(db: Database, settings: Settings, makings: Sequence[Making]) -> AsyncIterator[World]:
    """Everything, on an empty database."""
    live = RedisLive(settings.redis_url.get_secret_value() if settings.redis_url else None)
    people = {name: await make_user(db) for name in CALLERS[1:5]}
    people["admin"] = await make_user(db, is_admin=True)
    project, other = [await make_project(db, owner_id=people["owner"].id) for _ in range(2)]
    for role in ("viewer", "editor"):
        await make_member(db, project, people[role].id, ProjectRole[role.upper()])
    tokens = await _tokens(db, people, other.id)
    ids = await _objects(db, settings, project, people)
    adapters = replace(build_adapters(settings), live=live, embedder=AxisEmbedder({"needle": axis(1)}))
    await _send_file(db, settings, adapters.storage, ids["video"])
    hub = JobHub(db, live)
    checks = HealthChecks(db, adapters, newest_revision())
    services = {JobHub: hub, HealthChecks: checks}
    gateway = Gateway(schema, Process(db, adapters, settings, BINDINGS, services), Authenticator(db))
    real = gateway.process
    dry = replace(real, db=DryDatabase(db.engine, info=queue_limits(settings)))
    made = World(db, real, dry, tokens, ids)
    for making in makings:
        ids[making.name] = await _make(made, making)
    tokens["visitor"], _ = visitor_token(adapters.signer, decode_id("ShareLink", ids["shareLink"]))
    try:
        yield made
    finally:
        await gateway.close()
        await hub.close()
        await live.close()


async def _tokens(db: Database, people: Mapping[str, User], other_project: UUID) -> dict[str, str]:
    """A key of each; those of the owner with less than all rights under their own names."""
    owner = people["owner"]
    wanted: dict[str, tuple[User, dict[str, Any]]] = {name: (user, {}) for name, user in people.items()}
    wanted["reader"] = (owner, {"scopes": [Scope.READ]})
    wanted["elsewhere"] = (owner, {"project_ids": [other_project]})
    wanted["expired"] = (owner, {})
    tokens = {}
    async with db.write() as session:
        for name, (user, restrictions) in wanted.items():
            _, tokens[name] = await users.create_api_key(
                session, viewer_of(user), name=name, expires_at=None, **restrictions
            )
        past = datetime.now(UTC) - timedelta(seconds=1)
        await session.execute(update(ApiKey).where(ApiKey.name == "expired").values(expires_at=past))
    return tokens


async def _objects(db: Database, settings: Settings, project: Any, people: Mapping[str, User]) -> dict[str, str]:
    """One of each, by the names that the table uses."""
    video = await make_video(db, project)
    transcript = await make_transcript(db, video, "Deep below the ship.", "Nothing stirs.", with_chunks=True)
    waiting = await enqueue(db, JobKind.PROBE, project_id=project.id, video_id=video.id)
    worker_id, batch_id, source_id = uuid7(), uuid7(), uuid7()
    failed = await make_job(db, JobKind.MOMENT_GENERATION, video, status=JobStatus.FAILED, batch_id=batch_id)
    await make_job(db, JobKind.EMBEDDING, video, batch_id=batch_id)
    trashed = await make_video(db, project)
    await index(db, await make_space(db), video, {"needle": axis(1)})
    async with db.write() as session:
        lease = datetime.now(UTC) + timedelta(hours=1)
        session.add(Worker(id=worker_id, lanes=["cpu"], state=WorkerState.LIVE, lease_until=lease))
        source = {"kind": SourceKind.FOLDER, "address": "file:///srv/in", "pattern": "**", "cron": "*/5 * * * *"}
        session.add(ImportSource(id=source_id, project_id=project.id, on_duplicate=OnDuplicate.KEEP, **source))
        slots = {"cron": "17 * * * *", "kind": JobKind.MAINTENANCE, "next_at": lease}
        session.add(Schedule(name="maintenance", project_id=project.id, **slots))
        in_trash = {"deleted_at": datetime.now(UTC), "purge_at": lease}
        await session.execute(update(Video).where(Video.id == trashed.id).values(in_trash))
        key, _ = await users.create_api_key(session, viewer_of(people["owner"]), name="spare", expires_at=None)
    lost_clip = await make_clip(db, video, **in_trash)
    lost_reel = await make_reel(db, project, **in_trash)
    signed_in = await make_user(db, password=PASSWORD)
    session_row = (await sign_in(db, settings, signed_in.email)).session
    return {
        "project": encode_id("Project", project.id),
        "projectName": project.name,
        "video": encode_id("Video", video.id),
        "transcript": encode_id("Transcript", transcript.id),
        "moment": encode_id("Moment", (await make_moment(db, video)).id),
        "clip": encode_id("Clip", (await make_clip(db, video)).id),
        "job": encode_id("Job", waiting.id),
        "failedJob": encode_id("Job", failed.id),
        "batch": encode_id("Batch", batch_id),
        "upload": encode_id("Upload", (await make_upload(db, project)).id),
        "trashedVideo": encode_id("Video", trashed.id),
        "trashedClip": encode_id("Clip", lost_clip.id),
        "trashedReel": encode_id("Reel", lost_reel.id),
        "importSource": encode_id("ImportSource", source_id),
        "worker": encode_id("Worker", worker_id),
        "apiKey": encode_id("ApiKey", key.id),
        "session": encode_id("Session", session_row.id),
        "user": encode_id("User", signed_in.id),
        "member": encode_id("User", people["viewer"].id),
        "email": signed_in.email,
    }


async def _send_file(db: Database, settings: Settings, storage: Storage, video_id: str) -> None:
    """The video's file, so that media URLs lead somewhere."""
    async with db.read() as session:
        video = await session.get_one(Video, decode_id("Video", video_id))
    path = settings.home / "film"
    path.write_bytes(b"film")
    await storage.put_file(video.storage_key, path)


async def _make(world: World, making: Making) -> str:
    """The id of an object that the owner makes."""
    field = schema._schema.mutation_type.fields[making.mutation]  # type: ignore[union-attr]
    arguments = json.loads(filled(making.arguments, world.ids))
    path = making.path.split(".")
    inner = " { ".join(path) + " }" * (len(path) - 1)
    query = f"""mutation ($input: {field.args["input"].type}) {{
        {making.mutation}(input: $input) {{ errors {{ code message }} {inner} }} }}"""
    variables = {"input": arguments}
    context = Context(world.process, viewer=await world.viewer("owner"), request_id="r1")
    body = response_body(await schema.execute(query, variable_values=variables, context_value=context), "r1")
    value: Any = body["data"][making.mutation] if body.get("data") else None
    for step in path:
        if not isinstance(value, dict) or value.get(step) is None:
            raise AssertionError(f"make {making.name}: {body}")
        value = value[step]
    return str(value)
