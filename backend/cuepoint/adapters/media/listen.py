"""What a 16 kHz mono s16 WAV file of ours looks like: its waveform, and where it is quiet; in the media child only.

Quiet is what lies below a line between the floor of the recording (its 10th percentile of loudness over 50 ms) and its
loud parts (the 95th): a third of the way up, in decibels. Where floor and loud parts are less than 10 dB apart there
is nothing to tell apart, and only true silence counts. The ends are known to 50 ms.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy
from PIL import Image, ImageDraw

from cuepoint.adapters.media.base_looks import SoundPicture
from cuepoint.adapters.media.base_waveform import RATE, STRETCHES_PER_SECOND
from cuepoint.adapters.media.ranges import complement, joined, ranges_of, without_short

Array = numpy.ndarray[Any, Any]

HEADER_BYTES = 44  # of the canonical WAV file that `wav_command` writes
BLOCK_SECONDS = 600
PICTURE_SIZE = (1280, 720)
MARGIN, COLUMN_WIDTH, BAR_WIDTH = 80, 10, 5
GROUND, BARS = (24, 25, 29), (131, 151, 255)  # those of the player page in the dark
JPEG_QUALITY = 85
WINDOW_MS = 50
MIN_SILENCE_MS = 200
MIN_SOUND_MS = 100  # a click is no sound worth a range
TRUE_SILENCE_DB, LOUDEST_LINE_DB = -60.0, -30.0  # ffmpeg's silencedetect has -60; people talk above -30
LEAST_CONTRAST_DB = 10.0


def listen(descriptor: int, target: int, tell: Callable[[int], None], *, picture: int | None = None) -> SoundPicture:
    """Write the waveform to the descriptor `target`, and a JPEG of it to `picture`. `tell` gets milliseconds done.

    Memory grows by 1.4 MB an hour.
    """
    samples = max(0, os.fstat(descriptor).st_size - HEADER_BYTES) // 2
    stretch = RATE // STRETCHES_PER_SECOND[0]
    least: list[Any] = []
    greatest: list[Any] = []
    loudness: list[Any] = []
    for first in range(0, samples, BLOCK_SECONDS * RATE):
        count = min(BLOCK_SECONDS * RATE, samples - first)
        raw = os.pread(descriptor, count * 2, HEADER_BYTES + first * 2)
        block = numpy.frombuffer(raw, dtype="<i2")
        padded = numpy.pad(block, (0, -len(block) % stretch)).reshape(-1, stretch)
        least.append((padded.min(axis=1) >> 8).astype(numpy.int8))
        greatest.append((padded.max(axis=1) >> 8).astype(numpy.int8))
        loudness.append(_loudness(block))
        tell((first + count) * 1000 // RATE)
    if not samples:
        return SoundPicture(0, (), ())
    written = 0
    levels = _levels(numpy.concatenate(least), numpy.concatenate(greatest))
    if picture is not None:
        draw(picture, *levels[0])
    for planes in levels:
        for plane in planes:
            written += os.write(target, plane.tobytes())
    end_ms = samples * 1000 // RATE
    quiet = _quiet(numpy.concatenate(loudness), end_ms)
    sounds = without_short(complement(quiet, end_ms), MIN_SOUND_MS)
    return SoundPicture(written, tuple(quiet), tuple(joined(sounds, MIN_SILENCE_MS)))


def draw(target: int, least: Array, greatest: Array) -> None:
    """A still picture of the whole sound: what stands for media without pictures."""
    width, height = PICTURE_SIZE
    image = Image.new("RGB", PICTURE_SIZE, GROUND)
    brush = ImageDraw.Draw(image)
    columns = min(len(least), (width - 2 * MARGIN) // COLUMN_WIDTH)
    edges = numpy.linspace(0, len(least), columns + 1).astype(int)
    loudest = max(16, int(numpy.abs(least.astype(int)).max()), int(greatest.max()))
    scale = height / 3 / loudest
    for column, (start, end) in enumerate(pairwise(edges)):
        low, high = int(least[start:end].min()), int(greatest[start:end].max())
        x, middle = MARGIN + column * COLUMN_WIDTH, height / 2
        top, bottom = min(middle - 2, middle - high * scale), max(middle + 2, middle - low * scale)
        brush.rounded_rectangle((x, top, x + BAR_WIDTH, bottom), BAR_WIDTH / 2, fill=BARS)
    with os.fdopen(target, "wb", closefd=False) as file:
        image.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)


def _levels(least: Array, greatest: Array) -> list[tuple[Array, Array]]:
    found = [(least, greatest)]
    for finer, rate in pairwise(STRETCHES_PER_SECOND):
        group = finer // rate
        below, above = found[-1]
        missing = -len(below) % group
        below = numpy.pad(below, (0, missing), mode="edge").reshape(-1, group).min(axis=1)
        above = numpy.pad(above, (0, missing), mode="edge").reshape(-1, group).max(axis=1)
        found.append((below, above))
    return found


def _loudness(block: Array) -> Array:
    """Decibels below full scale of each window of 50 ms."""
    window = RATE * WINDOW_MS // 1000
    padded = numpy.pad(block, (0, -len(block) % window)).reshape(-1, window).astype(numpy.float32)
    power = (padded * padded).mean(axis=1) / 32768.0**2
    decibels: Array = 10.0 * numpy.log10(numpy.maximum(power, 1e-12))
    return decibels


def _quiet(loudness: Array, end_ms: int) -> list[int]:
    floor, loud = (float(value) for value in numpy.percentile(loudness, [10, 95]))
    line = TRUE_SILENCE_DB
    if loud - floor >= LEAST_CONTRAST_DB:
        line = min(LOUDEST_LINE_DB, max(TRUE_SILENCE_DB, floor + (loud - floor) / 3))
    looks = ((number * WINDOW_MS, bool(is_quiet)) for number, is_quiet in enumerate(loudness < line))
    return without_short(ranges_of(looks, end_ms), MIN_SILENCE_MS)
