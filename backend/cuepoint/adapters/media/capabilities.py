"""What this ffmpeg can do beyond the least: asked of the program itself, once a process."""

from __future__ import annotations

import asyncio
import re

from cuepoint.adapters.media.commands import ffmpeg_binary
from cuepoint.processes.child import child_environment, run_child

_ASK_SECONDS = 10.0
_LIBASS = re.compile(rb"^ *\S+ +ass +", re.MULTILINE)
_found: dict[str, bool] = {}


async def burns_captions() -> bool:
    """Whether it starts, and was built with libass, which draws captions."""
    try:
        program = await asyncio.to_thread(ffmpeg_binary)
    except RuntimeError:  # imageio-ffmpeg has none for this machine
        return False
    if program not in _found:
        try:
            argv = [program, "-hide_banner", "-filters"]
            result = await run_child(argv, timeout=_ASK_SECONDS, env=child_environment())
        except OSError:
            return False
        _found[program] = _LIBASS.search(result.stdout) is not None
    return _found[program]
