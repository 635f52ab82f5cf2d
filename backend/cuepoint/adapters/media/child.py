"""The child process that opens foreign media with PyAV: one request on the command line, one JSON answer on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from cuepoint.adapters.media.base import ClipMode, MediaCaps
from cuepoint.adapters.media.cut import check_clip, plan_clip
from cuepoint.adapters.media.plan import ClipPlan
from cuepoint.adapters.media.probe import audio_start_ms, probe
from cuepoint.adapters.media.source import FFmpegError
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.processes.seccomp import forbid_programs

Request = Mapping[str, Any]

_PROGRESS_SECONDS = 0.25
_told = [0.0]


def _probe(request: Request) -> object:
    return asdict(probe(request["descriptor"], MediaCaps(**request["caps"])))


def _audio_start(request: Request) -> object:
    return audio_start_ms(request["descriptor"], MediaCaps(**request["caps"]), request["track_index"])


def _poster(request: Request) -> object:
    from cuepoint.adapters.media.poster import write_poster  # numpy and Pillow, which only this request needs

    made = write_poster(request["descriptor"], request["target"], MediaCaps(**request["caps"]), request["duration_ms"])
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


def _cut_clip(request: Request) -> object:
    from cuepoint.adapters.media.bitstreams import NotSmartError
    from cuepoint.adapters.media.smart import Files, cut_clip  # numpy, as for the poster

    files = Files(request["descriptor"], request["for_audio"], request["target"])
    plan, mode = ClipPlan.from_json(request["plan"]), ClipMode(request["mode"])
    try:
        return {"plan": cut_clip(files, MediaCaps(**request["caps"]), plan, mode, _tell).to_json()}
    except NotSmartError as error:
        return {"reason": str(error)}


def _tell(done_ms: int) -> None:
    """A line of progress in ffmpeg's own words; the answer follows as the last line."""
    now = time.monotonic()
    if now - _told[0] >= _PROGRESS_SECONDS:
        _told[0] = now
        sys.stdout.write(f"out_time_us={done_ms * 1000}\n")
        sys.stdout.flush()


REQUESTS: Mapping[str, Callable[[Request], object]] = {
    "probe": _probe,
    "audio-start": _audio_start,
    "poster": _poster,
    "plan-clip": _plan_clip,
    "cut-clip": _cut_clip,
    "check-clip": _check_clip,
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
