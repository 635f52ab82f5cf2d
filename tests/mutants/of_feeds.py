"""Mutants of feeds: what they keep of claims that a crash of Postgres forgets."""

from __future__ import annotations

from tests.mutants.mutant import CURSORS, FEEDS, HUB, Mutant

_CURSOR, _FEED, _HUB = "class Cursor", "class Feed:", "class JobHub"

FORGOTTEN = (
    Mutant(
        "forgotten: a claim made anew is news", CURSORS, _CURSOR, "is_claim or seq < position.seq", "seq < position.seq"
    ),
    Mutant(
        "forgotten: whatever comes in its place is old",
        CURSORS,
        _CURSOR,
        " and (is_claim or seq < position.seq or at <= position.at)",
    ),
    Mutant(
        "forgotten: not kept behind the watermark", CURSORS, _CURSOR, "j not in passed or j in kept", "j not in passed"
    ),
    Mutant("forgotten: kept for one watermark", CURSORS, _CURSOR, "(*self.forgotten, *forgotten)", "forgotten"),
    Mutant("forgotten: takes the room of others", CURSORS, _CURSOR, " - len(self.forgotten)"),
    Mutant(
        "forgotten: the hub does not say so",
        HUB,
        _HUB,
        "feed.put_watermark(seen.base, forgotten)",
        "feed.put_watermark(seen.base)",
    ),
    Mutant(
        "forgotten: the hub takes a claim made anew for the first",
        HUB,
        _HUB,
        "job.event.seq, job.event.at):",
        "job.event.seq, job.event.at, is_claim=True):",
    ),
    Mutant(
        "forgotten: a round passes over it",
        FEEDS,
        _FEED,
        "cursor.advance(done.until, forgotten)",
        "cursor.advance(done.until)",
    ),
    Mutant(
        "forgotten: what was seen elsewhere is not noted",
        FEEDS,
        _FEED,
        "note(self._noted, job_id, seen)  # it may have been seen elsewhere",
        "pass",
    ),
    Mutant(
        "forgotten: a lower number is noted over a higher one",
        CURSORS,
        "def note(",
        "known is None or known.seq <= seen.seq",
        "True",
    ),
)
