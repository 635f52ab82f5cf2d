"""Storyboards over HTTP: sheets and tiles are parts of one stored file, and the WebVTT file is written on demand."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.api.gateway import Gateway
from cuepoint.errors import NotFoundError
from cuepoint.features.videos.looks import BoardFile, board_file
from cuepoint.features.videos.models import Storyboard
from cuepoint.features.videos.service import MediaFile
from cuepoint.graphql.media_urls import media_url

VTT = "storyboard.vtt"
_PART = re.compile(r"(sheet|tile|small)-(\d{1,5})\.jpg", re.ASCII)


async def part_of_storyboard(session: AsyncSession, video_id: UUID, name: str) -> MediaFile | None:
    """The sheet or tile, whole or small, of that name; None when there is none."""
    found = _PART.fullmatch(name)
    board = None if found is None else await board_file(session, video_id)
    if found is None or board is None:
        return None
    parts = {"sheet": board.sheet, "tile": board.tile, "small": board.small}
    return parts[found[1]](int(found[2]))


async def storyboard_vtt(gateway: Gateway, video_id: UUID, address: str = "") -> str:
    """The cues of the storyboard; the sheets' URLs in them are relative, and as long valid as new ones, for
    that address if one is given.

    Raises NotFoundError.
    """
    async with gateway.process.db.read() as session:
        found = await board_file(session, video_id)
    if found is None:
        raise NotFoundError("storyboard")
    return "\n\n".join(["WEBVTT", *_cues(gateway, found, address)]) + "\n"


def _cues(gateway: Gateway, found: BoardFile, address: str) -> list[str]:
    board = found.board
    urls = [_sheet_url(gateway, board, number, address) for number in range(len(board.sheet_ends))]
    a_sheet = board.columns * board.rows
    cues = []
    for tile in range(len(board.tile_ends)):
        place = tile % a_sheet
        x, y = place % board.columns * board.tile_width, place // board.columns * board.tile_height
        times = f"{_time(tile * board.interval_ms)} --> {_time((tile + 1) * board.interval_ms)}"
        cues.append(f"{times}\n{urls[tile // a_sheet]}#xywh={x},{y},{board.tile_width},{board.tile_height}")
    return cues


def _sheet_url(gateway: Gateway, board: Storyboard, number: int, address: str) -> str:
    name, process = f"sheet-{number}.jpg", gateway.process
    lifetime = process.settings.signed_url_seconds
    url = media_url("", process.adapters.signer, "storyboards", board.video_id, name, lifetime, address)
    return url.rpartition("/")[2]


def _time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
