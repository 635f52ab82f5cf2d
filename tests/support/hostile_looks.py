"""What storyboards, proxies and clips say of the files of the hostile corpus.

What probing refused is asked for a storyboard all the same, and for no more. Where nothing else is said here, the
refusal is the same, or all four are made; without pictures there is no storyboard.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.hostile import LIMIT, NO_PICTURE, OK, UNSUPPORTED, HostileFile
from tests.support.hostile_images import stills

OUTSIDE, FAILED = "RANGE_OUTSIDE_MEDIA", "RENDER_FAILED"
_STEPS = ("storyboard", "proxy", "SMART", "RENDER")
_STILLS = {name for name, _, _ in stills()} | {"jpeg-143-megapixels"}  # which no demuxer of films takes
# They can be opened: what cannot be used is their sound, or a picture that is not looked for as far as this.
_WITHOUT_PICTURES = {
    "avi-of-bombs",
    "avi-raw-giant",
    "avi-then-random",
    "matroska-evil-codec",
    "matroska-huge-block",
    "mov-data-in-an-alias",
    "mov-reference-movie",
    "mp4-data-in-a-file",
    "mp4-data-in-a-url",
    "mp4-index-only",
    "mp4-unknown-codec",
    "wav-65535-channels",
    "wav-head-only",
    "wav-no-channels",
}
_OTHERWISE: Mapping[str, tuple[str, ...]] = {
    # Three pictures take less than an honest copy of eleven hours can.
    "11-hours-of-three-pictures-and-padding": (OK, LIMIT, OK, OK),
    "avi-that-grows": (OK, OK, FAILED, FAILED),  # one of its six pictures can be decoded
    "flv-then-random": (NO_PICTURE, OK, OUTSIDE, OUTSIDE),  # its twelve seconds begin on the fortieth day
    "mp4-49-days": (NO_PICTURE, OK, FAILED, FAILED),  # its samples lie days apart
}


def looks_of(file: HostileFile) -> dict[str, str]:
    """By step."""
    if file.id in _STILLS:
        said = (UNSUPPORTED,) * 4
    else:
        said = _OTHERWISE.get(file.id, (NO_PICTURE if file.poster == NO_PICTURE else OK, OK, OK, OK))
    if file.probe == OK:
        return dict(zip(_STEPS, said, strict=True))
    refused = NO_PICTURE if file.id in _WITHOUT_PICTURES else file.probe
    return {"storyboard": UNSUPPORTED if file.id in _STILLS else refused}
