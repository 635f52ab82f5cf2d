"""Hits of a search and their grouping by video; pure, so that its rules can be read and tested without a database.

Method: the hits of one video that overlap, or lie within 5 s of each other, are one span, because a person who jumps to
one of them sees the others too. A video scores as its best span plus a tenth of each of its other spans: a video that
comes back to the subject ranks above one that touches it once as well, and no number of weak spans beats a clearly
better one soon.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

# Two passages closer than this are watched in one go.
SPAN_GAP_MS = 5_000
OTHER_SPANS_WEIGHT = 0.1


@dataclass(frozen=True)
class Hit:
    """A passage that was found, `[start_ms, end_ms)`; `score` is the cosine to the query, higher is nearer."""

    text_id: UUID
    video_id: UUID
    start_ms: int
    end_ms: int
    text: str
    score: float


@dataclass(frozen=True)
class VideoHits:
    """The hits of one video, best first, and what they are worth together (not a cosine: it can exceed 1)."""

    video_id: UUID
    score: float
    hits: Sequence[Hit]


def group_by_video(hits: Iterable[Hit]) -> list[VideoHits]:
    """The videos of the hits, best first; ties by video id, and inside a video by passage id."""
    by_video: defaultdict[UUID, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_video[hit.video_id].append(hit)
    groups = [
        VideoHits(video_id, _score_of_video(found), sorted(found, key=lambda hit: (-hit.score, hit.text_id)))
        for video_id, found in by_video.items()
    ]
    return sorted(groups, key=lambda group: (-group.score, group.video_id))


def _score_of_video(hits: Sequence[Hit]) -> float:
    spans = sorted((max(hit.score for hit in span) for span in _spans(hits)), reverse=True)
    return spans[0] + OTHER_SPANS_WEIGHT * sum(spans[1:])


def _spans(hits: Sequence[Hit]) -> list[list[Hit]]:
    spans: list[list[Hit]] = []
    reach = 0
    for hit in sorted(hits, key=lambda hit: (hit.start_ms, hit.end_ms)):
        if spans and hit.start_ms <= reach + SPAN_GAP_MS:
            spans[-1].append(hit)
            reach = max(reach, hit.end_ms)
        else:
            spans.append([hit])
            reach = hit.end_ms
    return spans
