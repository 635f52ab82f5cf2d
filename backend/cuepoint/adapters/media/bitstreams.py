"""What a smart cut must know of H.264, HEVC, VP9 and AV1 packets: clean key frames, and how two encodings join.

Packets of H.264 and HEVC come out with start codes (Annex B); the MP4 muxer turns them into its own form. Pictures that
we encode differ from the source's in their parameter sets: H.264 keeps both in the header under different ids, the
others repeat theirs at each border.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

_START_CODE = b"\x00\x00\x00\x01"
_H264_IDR, _H264_SEI, _H264_SPS, _H264_PPS, _H264_AUD, _H264_FILLER, _H264_SPS_EXT = 5, 6, 7, 8, 9, 12, 13
_H264_IDS = range(1, 32)  # seq_parameter_set_id is 0 to 31
_HEVC_IRAP = range(16, 22)  # BLA, IDR, CRA: all pictures from which decoding can begin
_HEVC_BLA_WITHOUT_LEADING, _HEVC_CRA = 18, 21
_HEVC_SETS = (32, 33, 34)  # VPS, SPS, PPS
_HEVC_AUD, _HEVC_FILLER, _HEVC_SEI = 35, 38, (39, 40)
_AV1_SEQUENCE_HEADER = 1
_AV1_RECORD_BYTES = 4  # of av1C before its OBUs


class NotSmartError(Exception):
    """This source cannot be cut by copying; the text says why. The caller renders instead."""


class Bitstream(Protocol):
    """One codec. Methods raise NotSmartError for packets that they do not understand."""

    encoder: str
    tag: str | None  # of the sample entry when two encodings are joined; None: the muxer's own

    def options(self) -> dict[str, str]:
        """Of an encoder whose pictures may stand beside the source's."""
        ...

    def is_clean(self, data: bytes) -> bool:
        """Whether the packet of a key frame lets a decoder begin, whatever was before."""
        ...

    def copied(self, data: bytes, *, is_first: bool) -> bytes:
        """A packet of the source; `is_first` after a border."""
        ...

    def coded(self, data: bytes, *, is_first: bool) -> bytes:
        """A packet of our encoder; `is_first` after a border."""
        ...

    def learn(self, encoder_extradata: bytes) -> None:
        """Take over the parameter sets of an opened encoder."""
        ...

    def extradata(self) -> bytes | None:
        """The header of the joined track."""
        ...


def bitstream(codec: str, extradata: bytes) -> Bitstream:
    """By libav's canonical codec name. Raises NotSmartError for other codecs."""
    if codec == "h264":
        return H264(extradata)
    if codec == "hevc":
        return Hevc(extradata)
    if codec == "vp9":
        return Vp9(extradata)
    if codec == "av1":
        return Av1(extradata)
    raise NotSmartError(f"{codec} is not cut by copying")


class H264:
    """Both encodings' parameter sets lie in the header, under ids that do not meet."""

    encoder = "libx264"
    tag: str | None = None

    def __init__(self, extradata: bytes) -> None:
        self._length_size, self._sets = h264_header(extradata)
        self._coded_sets: list[bytes] = []
        if not self._sets:
            raise NotSmartError("the header holds no parameter sets")
        used = {_golomb(unit[4:]) if _h264_kind(unit) == _H264_SPS else _golomb(unit[1:]) for unit in self._sets}
        self._id = next((number for number in _H264_IDS if number not in used), None)

    def options(self) -> dict[str, str]:
        """x264 gives SPS and PPS the same id. A lighter search: a third less CPU for a tenth more bytes (720p)."""
        if self._id is None:
            raise NotSmartError("all ids of parameter sets are taken")
        return {"x264-params": f"sps-id={self._id}:subme=1:me=dia:weightp=0"}

    def is_clean(self, data: bytes) -> bool:
        """IDR pictures only: behind a recovery point, pictures may refer to what was before."""
        return any(_h264_kind(unit) == _H264_IDR for unit in units_of(data, self._length_size))

    def copied(self, data: bytes, *, is_first: bool) -> bytes:  # noqa: ARG002
        """Without parameter sets, which must be those of the header."""
        units = units_of(data, self._length_size)
        sets = [unit for unit in units if _h264_kind(unit) in (_H264_SPS, _H264_PPS, _H264_SPS_EXT)]
        if any(unit not in self._sets for unit in sets):
            raise NotSmartError("the parameter sets change inside the track")
        dropped = (_H264_SPS, _H264_PPS, _H264_AUD, _H264_FILLER)
        return _joined(unit for unit in units if _h264_kind(unit) not in dropped)

    def coded(self, data: bytes, *, is_first: bool) -> bytes:  # noqa: ARG002
        """Pictures alone."""
        dropped = (_H264_SEI, _H264_SPS, _H264_PPS, _H264_AUD, _H264_FILLER)
        return _joined(unit for unit in units_of(data, None) if _h264_kind(unit) not in dropped)

    def learn(self, encoder_extradata: bytes) -> None:
        """Head and tail must agree."""
        sets = [u for u in units_of(encoder_extradata, None) if _h264_kind(u) in (_H264_SPS, _H264_PPS)]
        if not sets or (self._coded_sets and self._coded_sets != sets):
            raise NotSmartError("the encoder's parameter sets do not fit")
        self._coded_sets = sets

    def extradata(self) -> bytes | None:
        """SPS and PPS of the source, then ours."""
        return _joined([*self._sets, *self._coded_sets])


class Hevc:
    """Parameter sets are repeated inside the track at each border (sample entry hev1): their ids may be equal."""

    encoder = "libx265"
    tag: str | None = "hev1"

    def __init__(self, extradata: bytes) -> None:
        self._length_size = (extradata[21] & 3) + 1 if extradata[:1] == b"\x01" and len(extradata) > 22 else None
        sets = _hvcc_sets(extradata) if self._length_size else units_of(extradata, None)
        self._sets = [unit for unit in sets if _hevc_kind(unit) in _HEVC_SETS]
        self._coded_sets: list[bytes] = []
        if not self._sets:
            raise NotSmartError("the header holds no parameter sets")

    def options(self) -> dict[str, str]:
        """Quiet, and no leading pictures."""
        return {"x265-params": "log-level=none:bframes=0:open-gop=0:info=0"}

    def is_clean(self, data: bytes) -> bool:
        """Leading pictures of an open group are left out by the caller."""
        return any(_hevc_kind(unit) in _HEVC_IRAP for unit in units_of(data, self._length_size))

    def copied(self, data: bytes, *, is_first: bool) -> bytes:
        """A CRA picture after a border becomes a BLA picture: the standard's own mark of a splice."""
        units = units_of(data, self._length_size)
        if any(unit not in self._sets for unit in units if _hevc_kind(unit) in _HEVC_SETS):
            raise NotSmartError("the parameter sets change inside the track")
        dropped = (*_HEVC_SETS, _HEVC_AUD, _HEVC_FILLER)
        kept = [unit for unit in units if _hevc_kind(unit) not in dropped]
        return _joined([*self._sets, *map(_as_splice, kept)] if is_first else kept)

    def coded(self, data: bytes, *, is_first: bool) -> bytes:
        """Pictures, and the sets before the first."""
        dropped = (*_HEVC_SETS, _HEVC_AUD, _HEVC_FILLER, *_HEVC_SEI)
        kept = [unit for unit in units_of(data, None) if _hevc_kind(unit) not in dropped]
        return _joined([*self._coded_sets, *kept] if is_first else kept)

    def learn(self, encoder_extradata: bytes) -> None:
        """Head and tail may differ."""
        self._coded_sets = [unit for unit in units_of(encoder_extradata, None) if _hevc_kind(unit) in _HEVC_SETS]

    def extradata(self) -> bytes | None:
        """The source's."""
        return _joined(self._sets)


class Vp9:
    """Every key frame stands alone, and nothing is kept outside of the packets."""

    encoder = "libvpx-vp9"
    tag: str | None = None

    def __init__(self, extradata: bytes) -> None:
        self._extradata = extradata

    def options(self) -> dict[str, str]:
        """One packet a picture, in the order shown."""
        return {"auto-alt-ref": "0", "lag-in-frames": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}

    def is_clean(self, data: bytes) -> bool:
        """Any."""
        return bool(data)

    def copied(self, data: bytes, *, is_first: bool) -> bytes:  # noqa: ARG002
        """As it is."""
        return data

    def coded(self, data: bytes, *, is_first: bool) -> bytes:  # noqa: ARG002
        """As it is."""
        return data

    def learn(self, encoder_extradata: bytes) -> None:
        """Nothing."""

    def extradata(self) -> bytes | None:
        """The source's."""
        return self._extradata or None


class Av1:
    """The sequence header is repeated at each border."""

    encoder = "libsvtav1"
    tag: str | None = None

    def __init__(self, extradata: bytes) -> None:
        self._extradata = extradata
        self._header = _sequence_headers(extradata[_AV1_RECORD_BYTES:] if extradata[:1] == b"\x81" else extradata)
        self._coded_header = b""

    def options(self) -> dict[str, str]:
        """Low delay: one shown picture a packet, in the order shown."""
        return {"svtav1-params": "pred-struct=1:lp=2"}

    def is_clean(self, data: bytes) -> bool:
        """Containers mark only shown key frames."""
        return bool(data)

    def copied(self, data: bytes, *, is_first: bool) -> bytes:
        """With its sequence header after a border."""
        return self._header + data if is_first and not _sequence_headers(data) else data

    def coded(self, data: bytes, *, is_first: bool) -> bytes:
        """With its sequence header after a border."""
        return self._coded_header + data if is_first and not _sequence_headers(data) else data

    def learn(self, encoder_extradata: bytes) -> None:
        """The sequence header."""
        is_record = encoder_extradata[:1] == b"\x81"
        self._coded_header = _sequence_headers(
            encoder_extradata[_AV1_RECORD_BYTES:] if is_record else encoder_extradata
        )

    def extradata(self) -> bytes | None:
        """The source's."""
        return self._extradata or None


def h264_header(extradata: bytes) -> tuple[int | None, list[bytes]]:
    """The bytes of the length before each unit (None: start codes stand there), and the parameter sets."""
    length_size = (extradata[4] & 3) + 1 if extradata[:1] == b"\x01" and len(extradata) > 6 else None
    sets = _avcc_sets(extradata) if length_size else units_of(extradata, None)
    return length_size, [unit for unit in sets if _h264_kind(unit) in (_H264_SPS, _H264_PPS)]


def _h264_kind(unit: bytes) -> int:
    return unit[0] & 31


def _hevc_kind(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def _as_splice(unit: bytes) -> bytes:
    if _hevc_kind(unit) != _HEVC_CRA:
        return unit
    return bytes([unit[0] & 0x81 | _HEVC_BLA_WITHOUT_LEADING << 1]) + unit[1:]


def _joined(units: Iterable[bytes]) -> bytes:
    return b"".join(_START_CODE + unit for unit in units)


def units_of(data: bytes, length_size: int | None) -> list[bytes]:
    """The NAL units, by length or by start codes. Raises NotSmartError for a packet that is cut off."""
    if length_size is None:
        pieces = data.split(b"\x00\x00\x01")[1:]  # a unit never holds a start code, nor ends in zeros
        return [unit for piece in pieces if (unit := piece.rstrip(b"\x00"))]
    units, at = [], 0
    while at + length_size < len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        at += length_size
        if at + size > len(data):
            raise NotSmartError("a packet is shorter than it says")
        if size:
            units.append(data[at : at + size])
        at += size
    return units


def _avcc_sets(record: bytes) -> list[bytes]:
    """Of avcC (ISO/IEC 14496-15, 5.3.3.1)."""
    found, at = [], 5
    for mask in (31, 255):
        count = record[at] & mask if at < len(record) else 0
        at += 1
        for _ in range(min(count, len(record))):
            size = int.from_bytes(record[at : at + 2], "big")
            found.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return [unit for unit in found if len(unit) > 4 or (unit and _h264_kind(unit) == _H264_PPS)]


def _hvcc_sets(record: bytes) -> list[bytes]:
    """Of hvcC (ISO/IEC 14496-15, 8.3.3.1)."""
    found, at = [], 23
    for _ in range(record[22]):
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(min(count, len(record))):
            size = int.from_bytes(record[at : at + 2], "big")
            found.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return [unit for unit in found if unit]


def _golomb(data: bytes) -> int:
    """The first Exp-Golomb number (H.264 9.1); ids are small, so no emulation byte lies before its end."""
    bits = int.from_bytes(data[:8].ljust(8, b"\x00"), "big")
    zeros = 64 - bits.bit_length()
    if zeros > 16:
        raise NotSmartError("a parameter set cannot be read")
    return (bits >> (63 - 2 * zeros)) - 1


def _sequence_headers(data: bytes) -> bytes:
    """The sequence header OBUs of a temporal unit (AV1 5.3); empty if there are none."""
    found, at = b"", 0
    while at < len(data):
        begin, header = at, data[at]
        at += 2 if header & 4 else 1
        if not header & 2:  # no size: it reaches to the end
            return found
        size, shift = 0, 0
        while at < len(data):
            byte = data[at]
            size |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                break
        at += size
        if header >> 3 & 15 == _AV1_SEQUENCE_HEADER:
            found += data[begin:at]
    return found
