"""The child process that opens foreign media with PyAV: one request on the command line, one JSON answer on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from cuepoint.adapters.media.base import ClipMode, MediaCaps
from cuepoint.adapters.media.cut import check_clip, plan_clip
from cuepoint.adapters.media.plan import ClipPlan, PictureKind
from cuepoint.adapters.media.probe import audio_start_ms, probe
from cuepoint.adapters.media.sniff import image_kind
from cuepoint.adapters.media.source import FFmpegError, open_source, whole_kind
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.seccomp import forbid_programs

Request = Mapping[str, Any]

_PROGRESS_SECONDS = 0.25
_told = [0.0]


def _probe(request: Request) -> object:
    descriptor, caps = request["descriptor"], MediaCaps(**request["caps"])
    kind = image_kind(descriptor)
    if kind is None:
        return asdict(probe(descriptor, caps))
    from cuepoint.adapters.media.images import probe_image  # Pillow

    return asdict(probe_image(descriptor, kind, caps))


def _picture_kind(request: Request) -> object:
    source = open_source(request["descriptor"], MediaCaps(**request["caps"]))
    stream = next((one for one in source.container.streams.video if one.index == request["index"]), None)
    return asdict(PictureKind() if stream is None else whole_kind(source, stream))


def _audio_start(request: Request) -> object:
    return audio_start_ms(request["descriptor"], MediaCaps(**request["caps"]), request["track_index"])


def _poster(request: Request) -> object:
    from cuepoint.adapters.media.poster import write_poster  # numpy and Pillow, which only this request needs

    descriptor, target, caps = request["descriptor"], request["target"], MediaCaps(**request["caps"])
    made = write_poster(descriptor, target, caps, request["duration_ms"])
    return asdict(made) if made else None


def _plan_clip(request: Request) -> object:
    return plan_clip(
        request["descriptor"],
        MediaCaps(**request["caps"]),
        start_ms=request["start_ms"],
        end_ms=request["end_ms"],
        video_index=request["video_index"],
        audio_index=request["audio_index"],
    ).to_json()


def _check_clip(request: Request) -> object:
    plan = ClipPlan.from_json(request["plan"])
    made = check_clip(request["descriptor"], MediaCaps(**request["caps"]), plan)
    return asdict(made) | {"mode": made.mode.value}


def _check_form(request: Request) -> object:
    from cuepoint.adapters.media.form_check import check_animation, check_form  # Pillow

    caps, plan = MediaCaps(**request["caps"]), ClipPlan.from_json(request["plan"])
    rate = None if request["rate"] is None else Fraction(request["rate"])
    size = None if request["size"] is None else (request["size"][0], request["size"][1])
    if request["is_animation"] and rate is not None and size is not None:
        made = check_animation(request["descriptor"], caps, plan, rate=rate, size=size)
    else:
        made = check_form(request["descriptor"], caps, plan, rate=rate, size=size)
    return asdict(made) | {"mode": made.mode.value}


def _join_parts(request: Request) -> object:
    from cuepoint.adapters.media.joining import Piece, Sound, join  # numpy

    pieces = [Piece(Path(piece["path"]), piece["count"]) for piece in request["pieces"]]
    sounds = [Sound(**sound | {"path": Path(sound["path"])}) for sound in request["sounds"]]
    rate = None if request["rate"] is None else Fraction(request["rate"])
    join(request["target"], pieces, sounds, rate, request["samples"], _tell)
    return None


def _check_joined(request: Request) -> object:
    from cuepoint.adapters.media.form_check import check_joined  # Pillow

    made = check_joined(
        request["descriptor"],
        MediaCaps(**request["caps"]),
        frames=request["frames"],
        seconds=Fraction(request["seconds"]),
        has_sound=request["has_sound"],
        size=None if request["size"] is None else (request["size"][0], request["size"][1]),
    )
    return asdict(made) | {"mode": made.mode.value}


def _cut_clip(request: Request) -> object:
    from cuepoint.adapters.media.bitstreams import NotSmartError
    from cuepoint.adapters.media.smart import Files, cut_clip  # numpy, as for the poster

    files = Files(request["descriptor"], request["for_audio"], request["target"])
    plan, mode = ClipPlan.from_json(request["plan"]), ClipMode(request["mode"])
    try:
        return {"plan": cut_clip(files, MediaCaps(**request["caps"]), plan, mode, _tell).to_json()}
    except NotSmartError as error:
        return {"reason": str(error)}


def _storyboard(request: Request) -> object:
    from cuepoint.adapters.media.storyboard import write_storyboard  # numpy and Pillow, as for the poster

    caps, length = MediaCaps(**request["caps"]), request["duration_ms"]
    made = write_storyboard(request["descriptor"], request["target"], caps, length, _tell)
    return asdict(made) | {"hashes": made.hashes.hex()} if made else None


def _listen(request: Request) -> object:
    from cuepoint.adapters.media.listen import listen  # numpy

    return asdict(listen(request["descriptor"], request["target"], _tell, picture=request["picture"]))


def _stills(request: Request) -> object:
    from cuepoint.adapters.media.stills import write_smaller, write_stills  # numpy and Pillow

    if request["at_ms"] is None:
        made = write_smaller(request["descriptor"], request["targets"])
    else:
        made = write_stills(request["descriptor"], request["targets"], MediaCaps(**request["caps"]), request["at_ms"])
    return [asdict(still) for still in made]


def _tell(done_ms: int) -> None:
    """A line of progress in ffmpeg's own words; the answer follows as the last line."""
    now = time.monotonic()
    if now - _told[0] >= _PROGRESS_SECONDS:
        _told[0] = now
        sys.stdout.write(f"out_time_us={done_ms * 1000}\n")
        sys.stdout.flush()


REQUESTS: Mapping[str, Callable[[Request], object]] = {
    "probe": _probe,
    "picture-kind": _picture_kind,
    "audio-start": _audio_start,
    "poster": _poster,
    "plan-clip": _plan_clip,
    "cut-clip": _cut_clip,
    "check-clip": _check_clip,
    "check-form": _check_form,
    "join-parts": _join_parts,
    "check-joined": _check_joined,
    "storyboard": _storyboard,
    "listen": _listen,
    "stills": _stills,
}


def answer(name: str, request: Request) -> dict[str, object]:
    """{"result": ...} or {"error": {kind, code, message}}; whatever else is raised crashes the child."""
    try:
        return {"result": REQUESTS[name](request)}
    except CuepointError as error:
        return {"error": {"kind": "refused", "code": error.code.value, "message": error.message}}
    except AdapterError as error:
        return {"error": {"kind": "failed", "code": error.code.value, "message": error.message}}
    except MemoryError:
        message = "Reading the file needs more memory than one job may use."
        return {"error": {"kind": "refused", "code": ErrorCode.MEDIA_LIMIT_EXCEEDED.value, "message": message}}
    except FFmpegError as error:
        message = f"The file cannot be read: {error.strerror}."
        return {"error": {"kind": "refused", "code": ErrorCode.UNSUPPORTED_MEDIA.value, "message": message}}


def main() -> None:
    """Entry of `python -m cuepoint.adapters.media.child NAME REQUEST`."""
    forbid_programs()
    sys.stdout.write(json.dumps(answer(sys.argv[1], json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
