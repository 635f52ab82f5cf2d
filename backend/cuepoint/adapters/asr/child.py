"""The recogniser's process: requests as JSON lines on stdin, answers as JSON lines on stdout.

Requests: `{"op": "load", "model", "device", "compute_type", "threads"}`, then any number of
`{"op": "plan", "audio", "language"}`, `{"op": "transcribe", "audio", "windows": [[index, start_ms, end_ms], ...],
"language"}` and `{"op": "ping"}`. `{"op": "has-speech", "audio"}` needs no `load`. The last answer to a request has
`"is_final": true`; a refusal has `error` (a code) and `message`. Anything else that goes wrong ends the process with a
stack on stderr.
"""

from __future__ import annotations

import os
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from cuepoint.adapters.asr.base import AsrWindow
from cuepoint.adapters.asr.engine import Engine, UnknownLanguageError, has_speech
from cuepoint.errors import ErrorCode

Message = dict[str, Any]


def answers(engine: Engine, request: Message) -> Iterator[Message]:
    """The answers to one request after `load`."""
    match request["op"]:
        case "ping":
            yield {"is_final": True}
        case "plan":
            yield {"plan": engine.plan(Path(request["audio"]), request["language"]), "is_final": True}
        case "transcribe":
            windows = [(index, AsrWindow(start, end)) for index, start, end in request["windows"]]
            last = windows[-1][0]
            for index, segments in engine.recognise(Path(request["audio"]), windows, request["language"]):
                yield {"index": index, "segments": segments, "is_final": index == last}
        case unknown:
            raise ValueError(f"unknown request {unknown!r}")


def _load(request: Message) -> tuple[Engine, Message]:
    engine = Engine(
        Path(request["model"]),
        device=request["device"],
        compute_type=request["compute_type"],
        threads=request["threads"],
    )
    said = {"device": engine.device, "compute_type": engine.compute_type, "warning": engine.warning}
    return engine, {**said, "is_final": True}


def _refusal(code: ErrorCode, message: str, *, is_healthy: bool) -> Message:
    return {"error": code.value, "message": message, "is_healthy": is_healthy, "is_final": True}


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until stdin ends."""

    def reply(message: Message) -> None:
        replies.write(orjson.dumps(message) + b"\n")
        replies.flush()

    engine: Engine | None = None
    for line in requests:
        request: Message = orjson.loads(line)
        try:
            if request["op"] == "has-speech":
                reply({"has_speech": has_speech(Path(request["audio"])), "is_final": True})
                continue
            if request["op"] == "load" or engine is None:
                engine, loaded = _load(request)
                reply(loaded)
                continue
            for answer in answers(engine, request):
                reply(answer)
        except UnknownLanguageError as error:
            reply(_refusal(ErrorCode.BAD_USER_INPUT, str(error), is_healthy=True))
        except (ValueError, OSError, EOFError, wave.Error) as error:
            reply(_refusal(ErrorCode.MODEL_FAILED, str(error), is_healthy=engine is not None))
        except RuntimeError as error:  # CTranslate2 and ONNX Runtime: no memory on the device, a damaged model
            reply(_refusal(ErrorCode.MODEL_FAILED, str(error), is_healthy=False))


def main() -> None:
    """Serve on a private copy of stdout, so that nothing a library prints gets between the answers."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
