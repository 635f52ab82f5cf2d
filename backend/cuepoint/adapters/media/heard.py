"""From when to when a sound track has packets, in a source and in the clip that was made of it; media child only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile

import av
import av.stream

from cuepoint.adapters.media.plan import AudioCut
from cuepoint.adapters.media.source import LOOK_BACK_SECONDS, Source, packets_of, seek
from cuepoint.errors import AdapterError, ErrorCode

# Packets of sound last up to 60 ms (Opus), and an encoder adds its delay (MP3: two frames of 26 ms).
SOUND_TOLERANCE = Fraction(1, 10)
_LEAD_SECONDS = 1


@dataclass(frozen=True)
class Heard:
    """Where the first packet of a range begins and the last one ends, inside it; the longest of those at its end."""

    begin: Fraction
    end: Fraction
    packet: Fraction


def heard(source: Source, stream: av.stream.Stream, start: Fraction, end: Fraction) -> Heard | None:
    """The sound between two times of the file's own; None where there is none."""
    first = next((times for times in _times(source, stream, start - _LEAD_SECONDS) if times[1] > start), None)
    if first is None or first[0] >= end:
        return None
    last = [first]
    for back in LOOK_BACK_SECONDS[1:]:  # the last packet alone would not say how long others are
        near = _times(source, stream, None if back is None else end - back)
        last = list(takewhile(lambda times: times[0] < end, near)) or last
        if last[-1] is not first:
            break
    longest = max(until - begin for begin, until in last)
    return Heard(max(start, first[0]), min(end, max(until for _, until in last)), longest)


def check_heard(source: Source, stream: av.stream.Stream, cut: AudioCut, frame: Fraction | None) -> None:
    """The clip's sound is as long as that of the range in the source, or as the range, where silence was added: within
    a packet of its own and `frame`, the time of a picture, which sound alone has none of. Raises RENDER_FAILED."""
    if cut.heard_from is None or cut.heard_until is None:
        return
    behind = Fraction((source.container.start_time or 0) + (source.container.duration or 0), av.time_base) + 1
    made = heard(source, stream, Fraction(0), behind) or Heard(Fraction(0), Fraction(0), Fraction(0))
    begin, least, most = cut.heard_from - cut.start, cut.heard_until - cut.start, cut.end - cut.start
    spare = SOUND_TOLERANCE if frame is None else frame + made.packet
    if made.begin > begin + spare or not least - spare <= made.end <= most + spare:
        raise AdapterError(
            ErrorCode.RENDER_FAILED,
            f"The clip's sound goes from {float(made.begin):.3f} s to {float(made.end):.3f} s; it was to go from "
            f"{float(begin):.3f} s to {float(least):.3f} s.",
            retryable=False,
        )


def _times(source: Source, stream: av.stream.Stream, since: Fraction | None) -> Iterator[tuple[Fraction, Fraction]]:
    """(begin, end) of packets that are heard, from a place at or before that time."""
    tick = Fraction(stream.time_base or 1)
    seek(source, stream, since)
    for packet in packets_of(source, stream):
        if packet.pts is not None and not packet.is_discard:
            yield packet.pts * tick, (packet.pts + (packet.duration or 0)) * tick
