"""What the demo does, step by step, over the public API alone; how it is shown is left to the view."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cuepoint.client import ClientError, CuepointClient, upload_file, watch_job

PROJECT = "Demo"
# None of these shares a content word with the sentence it should find in the bundled sample.
SAMPLE_SEARCHES = ("bad weather ruined the orchard", "the official punished a player", "animals under the ship")
FIRST_LINES = 6
HITS = 2

FIND_PROJECT = "query { projects(first: 100) { nodes { id name } } }"
CREATE_PROJECT = """mutation($name: String!) {
  createProject(input: {name: $name}) { project { id } errors { code message } } }"""
FIND_VIDEO = """query($project: ID!, $hash: String!) {
  videos(first: 1, filter: {projectId: $project, contentHash: $hash}) { nodes { id title } } }"""
CREATE_UPLOAD = """mutation($project: ID!, $name: String!, $size: BigInt!, $hash: String!) {
  createUpload(input: {projectId: $project, filename: $name, sizeBytes: $size, sha256: $hash}) {
    upload { id url } errors { code message } } }"""
REGISTER = """mutation($upload: ID!) {
  registerVideo(input: {uploadId: $upload}) { video { id } jobs { id kind title } errors { code message } } }"""
START = """mutation($video: ID!) {
  startPipeline(input: {videoId: $video}) { jobs { id kind title } errors { code message } } }"""
RESULTS = """query($video: ID!) {
  video(id: $video) { id title durationSeconds width height
    transcript { language model isDemoModel notice emptyReason
      segments(first: 100) { totalCount nodes { startSeconds endSeconds text } } }
    moments(first: 10) { totalCount nodes { id title reason score startSeconds endSeconds } } } }"""
SEARCH = """query($query: String!, $video: ID!, $first: Int!) {
  semanticSearch(input: {query: $query, videoIds: [$video], first: $first}) {
    hits { score startSeconds endSeconds text } } }"""
CREATE_CLIP = """mutation($video: ID!, $moment: ID!) {
  createClip(input: {videoId: $video, momentId: $moment}) {
    clip { id } job { id kind title } errors { code message } } }"""
CLIP = """query($clip: ID!) {
  clip(id: $clip) { id title url sizeBytes durationSeconds
    actualRange { startSeconds endSeconds } } }"""


class View(Protocol):
    """Where the demo shows what happens."""

    def note(self, text: str) -> None:
        """A line of what is being done."""
        ...

    def uploaded(self, done: int, size: int) -> None:
        """Bytes that the server has confirmed."""
        ...

    def stage(self, job: dict[str, Any], update: dict[str, Any] | None) -> None:
        """A job is known, or has news."""
        ...


@dataclass
class Report:
    """What came out. `missing` names each stage whose result is empty."""

    file: str
    video: dict[str, Any]
    searches: list[dict[str, Any]]
    clip: dict[str, Any] | None
    clip_path: str | None
    seconds: float
    missing: list[str] = field(default_factory=list)


async def run(client: CuepointClient, file: Path, view: View, *, searches: Sequence[str], folder: Path) -> Report:
    """Upload, process, search and cut. Raises ClientError when the server refuses, or when a job fails."""
    began = time.monotonic()
    digest = await asyncio.to_thread(_sha256, file)
    project = await _project(client)
    known = (await client.execute(FIND_VIDEO, {"project": project, "hash": digest}))["videos"]["nodes"]
    if known:
        view.note(f"{file.name} is known already: its pipeline runs again, and no second video is made")
        video_id = known[0]["id"]
        jobs = (await client.execute(START, {"video": video_id}))["startPipeline"]["jobs"]
    else:
        video_id, jobs = await _send(client, project, file, digest, view)
    await asyncio.gather(*[_watch(client, job, view.stage) for job in jobs])
    video = (await client.execute(RESULTS, {"video": video_id}))["video"]
    found = [await _search(client, video_id, query) for query in searches or _own_searches(video)]
    clip, path = await _clip(client, video, view, folder)
    report = Report(str(file), video, found, clip, path, time.monotonic() - began)
    report.missing = _missing(report)
    return report


async def _project(client: CuepointClient) -> str:
    projects = (await client.execute(FIND_PROJECT))["projects"]["nodes"]
    existing = next((p["id"] for p in projects if p["name"] == PROJECT), None)
    if existing is None:
        existing = (await client.execute(CREATE_PROJECT, {"name": PROJECT}))["createProject"]["project"]["id"]
    return str(existing)


async def _send(
    client: CuepointClient, project: str, file: Path, digest: str, view: View
) -> tuple[str, list[dict[str, Any]]]:
    size = (await asyncio.to_thread(file.stat)).st_size
    variables = {"project": project, "name": file.name, "size": size, "hash": digest}
    upload = (await client.execute(CREATE_UPLOAD, variables))["createUpload"]["upload"]
    await upload_file(client, upload["url"], file, view.uploaded)
    registered = (await client.execute(REGISTER, {"upload": upload["id"]}))["registerVideo"]
    return registered["video"]["id"], registered["jobs"]


async def _watch(
    client: CuepointClient, job: dict[str, Any], show: Callable[[dict[str, Any], dict[str, Any] | None], None]
) -> None:
    show(job, None)
    status, error = "", None
    async with aclosing(watch_job(client, job["id"])) as updates:
        async for update in updates:
            show(job, update)
            status = update["status"]
            error = (update["event"] or {}).get("error") or error
    if status == "SUCCEEDED":
        return
    if status == "CANCELLED" and error is None:
        return  # because of another stage, which says why
    reason = f"{error['message']} {error.get('hint') or ''} ({error['code']})" if error else status.lower()
    raise ClientError(f"{job['title']}: {reason}")


async def _search(client: CuepointClient, video_id: str, query: str) -> dict[str, Any]:
    began = time.monotonic()
    data = await client.execute(SEARCH, {"query": query, "video": video_id, "first": HITS})
    hits = data["semanticSearch"]["hits"]
    return {"query": query, "hits": hits, "milliseconds": round((time.monotonic() - began) * 1000, 1)}


def _own_searches(video: dict[str, Any]) -> list[str]:
    """Three things to look for in a video of the user's own: what its moments are called."""
    return [moment["title"] for moment in video["moments"]["nodes"][:3]]


async def _clip(
    client: CuepointClient, video: dict[str, Any], view: View, folder: Path
) -> tuple[dict[str, Any] | None, str | None]:
    moments = video["moments"]["nodes"]
    if not moments:
        return None, None
    created = (await client.execute(CREATE_CLIP, {"video": video["id"], "moment": moments[0]["id"]}))["createClip"]
    await _watch(client, created["job"], view.stage)
    clip = (await client.execute(CLIP, {"clip": created["clip"]["id"]}))["clip"]
    return clip, str(await _download(client, clip, folder))


async def _download(client: CuepointClient, clip: dict[str, Any], folder: Path) -> Path:
    suffix = Path(clip["url"].split("?")[0]).suffix or ".mp4"
    target = folder / f"{clip['id']}{suffix}"
    response = await client.http.get(clip["url"])
    if response.status_code != 200:
        raise ClientError(f"The clip could not be fetched: {response.status_code} {response.text[:200]}")
    await asyncio.to_thread(_write, target, response.content)
    return target


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.write_bytes(content)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _missing(report: Report) -> list[str]:
    transcript = report.video["transcript"]
    found = {
        "transcript": bool(transcript and transcript["segments"]["nodes"]),
        "search hits": bool(report.searches) and all(search["hits"] for search in report.searches),
        "moments": bool(report.video["moments"]["nodes"]),
        "clip": bool(report.clip and report.clip["sizeBytes"]),
    }
    return [name for name, there in found.items() if not there]
