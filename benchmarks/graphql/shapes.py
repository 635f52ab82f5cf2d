"""The four questions: next to nothing, one long list, many lists, and a page with counts."""

from __future__ import annotations

SEGMENT = "startSeconds endSeconds text avgLogprob noSpeechProb compressionRatio"
QUERIES = {
    "q1": "query Trivial { serverInfo { name version } }",
    "q2": "query OneVideo($id: ID!) { video(id: $id) { id title transcript { language segments(first: 200) "
    f"{{ nodes {{ {SEGMENT} }} }} }} }} }}",
    "q3": "query ManyVideos { videos(first: 50) { nodes { id title transcript { language segments(first: 20) "
    f"{{ nodes {{ {SEGMENT} }} }} }} }} }} }}",
    "q4": "query Page { videos(first: 20) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node "
    "{ id title durationSeconds sizeBytes createdAt clips { totalCount } moments { totalCount } } } } }",
}
