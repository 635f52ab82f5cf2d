"""Foreign still pictures (PNG, JPEG, WebP, GIF): what they are, and a JPEG of them; in the media child only.

They are read by Pillow, never by libavformat, and by the one decoder that their first bytes ask for. A GIF or WebP that
moves is its first picture.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from cuepoint.adapters.media.base import MediaCaps, MediaInfo, PosterInfo, TrackInfo
from cuepoint.adapters.media.sniff import image_kind
from cuepoint.adapters.media.source import beyond, too_many_pixels, unsupported
from cuepoint.errors import CuepointError, ErrorCode

_TURNED = {3: 180, 6: 90, 8: 270, 5: 90, 7: 270}  # Exif orientations that turn, clockwise; 5 and 7 mirror as well
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
# What Pillow's reader of Exif raises for broken ones (EOFError and OSError: offsets behind the end).
_BROKEN_EXIF = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
_PAPER = (255, 255, 255)  # behind what is transparent


def kind_of(descriptor: int) -> str | None:
    """png, jpeg, webp or gif by the first bytes; None for anything else."""
    return image_kind(descriptor)


def probe_image(descriptor: int, kind: str, caps: MediaCaps) -> MediaInfo:
    """Size and turn, after the whole picture was decoded.

    Raises UNSUPPORTED_MEDIA, MEDIA_TRUNCATED, MEDIA_LIMIT_EXCEEDED as a CuepointError.
    """
    with _opened(descriptor, kind, caps) as picture:
        turned = _TURNED.get(_orientation(picture), 0)
        width, height = picture.size if turned in {0, 180} else (picture.height, picture.width)
        track = TrackInfo(
            index=0, type="IMAGE", codec=kind, width=width, height=height, rotation_degrees=turned, is_default=True
        )
    return MediaInfo(kind, None, os.fstat(descriptor).st_size, None, (track,))


def write_image(descriptor: int, kind: str, target: int, caps: MediaCaps, side: int, quality: int) -> PosterInfo:
    """A JPEG of the picture within a square of that side, upright, never enlarged."""
    with _opened(descriptor, kind, caps) as picture:
        turn = _UPRIGHT.get(_orientation(picture))
        shown = _in_eight_bits(picture if turn is None else picture.transpose(turn))
        shown.thumbnail((side, side))
        shown = shown.convert("RGBA")
        flat = Image.new("RGB", shown.size, _PAPER)
        flat.paste(shown, mask=shown.getchannel("A"))
    with os.fdopen(target, "wb") as file:
        flat.save(file, "JPEG", quality=quality, optimize=True)
    return PosterInfo(0, flat.width, flat.height)


def _orientation(picture: Image.Image) -> int:
    """Exif's 1 to 8, as it was written; 1 where that cannot be read."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except _BROKEN_EXIF:
        return 1
    return found if isinstance(found, int) else 1


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """The picture; one of 16-bit grey, which Pillow would clip to white, in 8 bits."""
    if not picture.mode.startswith("I"):
        return picture
    grey = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    grey.info.pop("transparency", None)  # a value of 16 bits
    return grey


@contextmanager
def _opened(descriptor: int, kind: str, caps: MediaCaps) -> Iterator[Image.Image]:
    """The picture, decoded."""
    Image.MAX_IMAGE_PIXELS = None  # the caps are ours, and are looked at before anything is decoded
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata
            file.seek(0)
            with Image.open(file, formats=[kind.upper()]) as picture:
                if picture.width * picture.height > caps.max_pixels:
                    raise beyond(too_many_pixels(picture.width, picture.height, caps))
                picture.load()
                yield picture
    except (UnidentifiedImageError, SyntaxError, ValueError, EOFError, struct.error, OSError) as error:
        if "truncated" in str(error).lower():
            raise CuepointError(
                ErrorCode.MEDIA_TRUNCATED, f"The {kind.upper()} picture ends early. Upload it again."
            ) from error
        raise unsupported(f"This {kind.upper()} picture cannot be decoded.") from error
