"""The floor: the same answers, written by hand with Starlette, asyncpg and orjson, for the same token and rights."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MINE = "(select project_id from project_members where user_id = $1)"
WHO = """select u.id from api_keys k join users u on u.id = k.user_id
where k.secret_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.is_active"""
ONE = f"select id, title from videos where id = $2 and deleted_at is null and project_id in {MINE}"
PAGE = f"""select id, title, duration_ms, size_bytes, created_at from videos
where deleted_at is null and project_id in {MINE} order by created_at desc, id desc limit $2"""
TOTAL = f"select count(*) from videos where deleted_at is null and project_id in {MINE}"
TRANSCRIPTS = f"""select t.video_id, t.id, t.language from transcripts t join videos v on v.id = t.video_id
where t.video_id = any($2) and t.status = 'ACTIVE' and v.deleted_at is null and v.project_id in {MINE}"""
SEGMENTS = """select p.id, s.start_ms, s.end_ms, s.text, s.avg_logprob, s.no_speech_prob, s.compression_ratio
from unnest($1::uuid[]) p(id) cross join lateral (
  select * from transcript_segments where transcript_id = p.id order by position limit $2) s
order by p.id, s.position"""
CLIPS = "select video_id, count(*) from clips where video_id = any($1) group by video_id"
MOMENTS = "select video_id, count(*) from moments where video_id = any($1) group by video_id"


def video_id(key: UUID) -> str:
    """As the product writes it."""
    return f"video_{key.hex}"


async def q1(_pool: asyncpg.Pool, _user: UUID, _variables: dict[str, Any]) -> Any:
    """Next to nothing."""
    return {"serverInfo": {"name": "Cuepoint", "version": "0.1.0"}}


async def q2(pool: asyncpg.Pool, user: UUID, variables: dict[str, Any]) -> Any:
    """One long list."""
    key = UUID(variables["id"].removeprefix("video_"))
    row = await pool.fetchrow(ONE, user, key)
    return {"video": None if row is None else (await _with_segments(pool, user, [row], 200))[0]}


async def q3(pool: asyncpg.Pool, user: UUID, _variables: dict[str, Any]) -> Any:
    """Many lists."""
    return {"videos": {"nodes": await _with_segments(pool, user, await pool.fetch(PAGE, user, 50), 20)}}


async def q4(pool: asyncpg.Pool, user: UUID, _variables: dict[str, Any]) -> Any:
    """A page with counts."""
    rows = await pool.fetch(PAGE, user, 21)
    total = await pool.fetchval(TOTAL, user)
    shown = rows[:20]
    keys = [row[0] for row in shown]
    clips, moments = dict(await pool.fetch(CLIPS, keys)), dict(await pool.fetch(MOMENTS, keys))
    edges = [
        {
            "cursor": _cursor(created, key),
            "node": {
                "id": video_id(key),
                "title": title,
                "durationSeconds": round(duration / 1000, 3),
                "sizeBytes": size,
                "createdAt": created,
                "clips": {"totalCount": clips.get(key, 0)},
                "moments": {"totalCount": moments.get(key, 0)},
            },
        }
        for key, title, duration, size, created in shown
    ]
    info = {"hasNextPage": len(rows) > 20, "endCursor": edges[-1]["cursor"] if edges else None}
    return {"videos": {"totalCount": total, "pageInfo": info, "edges": edges}}


def _cursor(created: Any, key: UUID) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([str(created), str(key)])).decode().rstrip("=")


async def _with_segments(pool: asyncpg.Pool, user: UUID, videos: list[Any], first: int) -> list[Any]:
    found = {
        video: (key, language)
        for video, key, language in await pool.fetch(TRANSCRIPTS, user, [row[0] for row in videos])
    }
    segments: dict[UUID, list[Any]] = {key: [] for key, _ in found.values()}
    for key, start, end, text, logprob, silence, ratio in await pool.fetch(SEGMENTS, list(segments), first):
        segments[key].append(
            {
                "startSeconds": round(start / 1000, 3),
                "endSeconds": round(end / 1000, 3),
                "text": text,
                "avgLogprob": round(logprob, 4),
                "noSpeechProb": round(silence, 4),
                "compressionRatio": round(ratio, 4),
            }
        )
    return [
        {
            "id": video_id(row[0]),
            "title": row[1],
            "transcript": {"language": found[row[0]][1], "segments": {"nodes": segments[found[row[0]][0]]}},
        }
        for row in videos
    ]


ANSWERS: dict[str, Callable[[asyncpg.Pool, UUID, dict[str, Any]], Awaitable[Any]]] = {
    "Trivial": q1,
    "OneVideo": q2,
    "ManyVideos": q3,
    "Page": q4,
}


async def answer(request: Request) -> Response:
    """One request: the operation's name says which."""
    body = orjson.loads(await request.body())
    token = request.headers["authorization"].removeprefix("Bearer ")
    pool: asyncpg.Pool = request.app.state.pool
    user = await pool.fetchval(WHO, hashlib.sha256(token.encode()).hexdigest())
    if user is None:
        return Response(status_code=401)
    data = await ANSWERS[body["operationName"]](pool, user, body.get("variables") or {})
    return Response(orjson.dumps({"data": data}), media_type="application/json")


class PlainConnection(asyncpg.Connection):
    """Without the query that a pool resets a connection by."""

    def get_reset_query(self) -> str:
        """None: nothing here changes a connection's state."""
        return ""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], connection_class=PlainConnection, max_size=10) as pool:
        app.state.pool = pool
        yield


app = Starlette(routes=[Route("/graphql", answer, methods=["POST"])], lifespan=lifespan)
