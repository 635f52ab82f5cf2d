"""The rows that are asked for: 200 videos with 200 segments each, seen by one member of one project."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.clips.models import Clip
from cuepoint.features.moments.models import Moment
from cuepoint.features.projects.models import Project, ProjectMember, ProjectRole
from cuepoint.features.transcripts.models import Transcript, TranscriptSegment, TranscriptStatus
from cuepoint.features.users import service as users
from cuepoint.features.users.models import User
from cuepoint.features.videos.models import Video
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer

VIDEOS = 200
SEGMENTS = 200
CLIPS = 3
MOMENTS = 5
WORDS = 10
TEXT = "We came back in the rain and the harbour was quiet again tonight"
INFO = MediaInfo(
    container="mov,mp4,m4a,3gp,3g2,mj2",
    duration_ms=800_000,
    size_bytes=10_000_000,
    bit_rate=100_000,
    tracks=(TrackInfo(index=0, type="VIDEO", codec="h264", width=1280, height=720, frame_rate=(24, 1)),),
)


@dataclass(frozen=True)
class World:
    """How to ask for it."""

    token: str
    user_id: UUID
    project_id: UUID
    video_key: UUID

    @property
    def video_id(self) -> str:
        """Global id of one of the videos."""
        return encode_id("Video", self.video_key)


async def make_world(db: Database) -> World:
    """Store it."""
    user = User(id=uuid7(), email="bench@example.org", name="Bench")
    project = Project(id=uuid7(), name="Bench", description="")
    async with db.write() as session:
        session.add_all([user, project])
        await session.flush()
        session.add(ProjectMember(project_id=project.id, user_id=user.id, role=ProjectRole.EDITOR))
        _, token = await users.create_api_key(
            session, Viewer(user_id=user.id, is_admin=False), name="bench", expires_at=None, user_id=None
        )
    video_key = uuid7()
    for number in range(VIDEOS):
        key = video_key if number == 0 else uuid7()
        async with db.write() as session:
            await _add_video(session, project.id, key, number)
    return World(token, user.id, project.id, video_key)


async def _add_video(session: object, project_id: UUID, key: UUID, number: int) -> None:
    transcript_id = uuid7()
    session.add(_video(project_id, key, number))  # type: ignore[attr-defined]
    await session.flush()  # type: ignore[attr-defined]
    session.add(_transcript(key, transcript_id))  # type: ignore[attr-defined]
    session.add_all(_moment(project_id, key, place) for place in range(MOMENTS))  # type: ignore[attr-defined]
    session.add_all(_clip(project_id, key, place) for place in range(CLIPS))  # type: ignore[attr-defined]
    await session.flush()  # type: ignore[attr-defined]
    session.add_all(_segment(transcript_id, place) for place in range(SEGMENTS))  # type: ignore[attr-defined]


def _video(project_id: UUID, key: UUID, number: int) -> Video:
    return Video(
        id=key,
        project_id=project_id,
        title=f"Video {number}",
        filename="video.mp4",
        storage_key=f"projects/{project_id.hex}/videos/{key.hex}/original/video",
        size_bytes=10_000_000,
        content_hash=key.hex * 2,
        media=dataclasses.asdict(INFO),
        duration_ms=INFO.duration_ms,
        container=INFO.container,
        content_type="video/mp4",
        probed_at=datetime.now(UTC),
    )


def _transcript(video_key: UUID, transcript_id: UUID) -> Transcript:
    return Transcript(
        id=transcript_id,
        video_id=video_key,
        revision=1,
        status=TranscriptStatus.ACTIVE,
        language="en",
        language_probability=0.98,
        engine="faster-whisper",
        model="small",
        model_key="faster-whisper/small",
        is_demo_model=False,
        windows=[],
        activated_at=datetime.now(UTC),
    )


def _segment(transcript_id: UUID, place: int) -> TranscriptSegment:
    starts = [place * 4000 + word * 300 for word in range(WORDS)]
    return TranscriptSegment(
        transcript_id=transcript_id,
        position=place,
        window=0,
        start_ms=place * 4000,
        end_ms=place * 4000 + 3500,
        text=f"{place} {TEXT}",
        word_texts=TEXT.split()[:WORDS],
        word_starts_ms=starts,
        word_ends_ms=[start + 250 for start in starts],
        word_probabilities=[0.9] * WORDS,
        avg_logprob=-0.25,
        no_speech_prob=0.03,
        compression_ratio=1.4,
    )


def _moment(project_id: UUID, video_key: UUID, place: int) -> Moment:
    return Moment(
        id=uuid7(),
        project_id=project_id,
        video_id=video_key,
        start_ms=place * 10_000,
        end_ms=place * 10_000 + 5000,
        title="The seed",
        reason="It says that it matters.",
        score=0.5,
        signals={"emphasis": 0.5},
        priority=place + 1,
        method="by hand",
    )


def _clip(project_id: UUID, video_key: UUID, place: int) -> Clip:
    return Clip(
        id=uuid7(),
        project_id=project_id,
        video_id=video_key,
        title="Clip",
        requested_start_ms=place * 1000,
        requested_end_ms=place * 1000 + 1000,
    )
