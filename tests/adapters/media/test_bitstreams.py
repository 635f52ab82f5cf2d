"""Headers and packets of foreign files: what is understood, and what is refused instead of guessed."""

from __future__ import annotations

import av
import pytest

from cuepoint.adapters.media.bitstreams import H264, Av1, Hevc, NotSmartError, bitstream
from tests.support.cut_sources import cut_source

pytestmark = pytest.mark.media

SPS, PPS = bytes.fromhex("6764000aacd942"), bytes.fromhex("68ebe3cb")  # both with id 0
START = b"\x00\x00\x00\x01"


def avcc(*, length_size: int = 4) -> bytes:
    head = bytes([1, 0x64, 0, 0x0A, 0xFC | length_size - 1])
    return head + b"\xe1" + len(SPS).to_bytes(2, "big") + SPS + b"\x01" + len(PPS).to_bytes(2, "big") + PPS


def header_of(name: str) -> bytes:
    with av.open(str(cut_source(name))) as container:
        return container.streams.video[0].codec_context.extradata or b""


class TestH264:
    @pytest.mark.parametrize("header", [avcc(), START + SPS + START + PPS], ids=["avcC", "start codes"])
    def test_reads_the_sets_and_takes_a_free_id(self, header: bytes) -> None:
        form = H264(header)

        assert form.extradata() == START + SPS + START + PPS
        assert form.options()["x264-params"].startswith("sps-id=1:")

    def test_the_headers_of_both_encodings_stand_together(self) -> None:
        form = H264(avcc())
        other = bytes.fromhex("6764000a56"), bytes.fromhex("6855")

        form.learn(START + other[0] + START + other[1] + START + b"\x06\x05")

        assert form.extradata() == START + START.join([SPS, PPS, *other])
        with pytest.raises(NotSmartError, match="do not fit"):
            form.learn(START + SPS)

    @pytest.mark.parametrize("size", [1, 2, 4])
    def test_packets_by_length_become_packets_by_start_codes(self, size: int) -> None:
        units = [b"\x09\xf0", SPS, PPS, b"\x06\x05\x01", b"\x65\x88\x80"]
        data = b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)
        form = H264(avcc(length_size=size))

        assert form.is_clean(data)
        assert form.copied(data, is_first=True) == START + b"\x06\x05\x01" + START + b"\x65\x88\x80"
        assert not form.is_clean((3).to_bytes(size, "big") + b"\x41\x88\x80")

    def test_refuses_sets_that_change(self) -> None:
        changed = SPS[:-1] + b"\x43"

        with pytest.raises(NotSmartError, match="change inside the track"):
            H264(avcc()).copied(len(changed).to_bytes(4, "big") + changed, is_first=False)

    def test_refuses_a_packet_that_lies_about_its_length(self) -> None:
        with pytest.raises(NotSmartError, match="shorter than it says"):
            H264(avcc()).is_clean(b"\x00\x00\x00\xff\x65")

    @pytest.mark.parametrize("header", [b"", b"\x01", avcc()[:8], bytes(64), b"\xff" * 64], ids=str)
    def test_refuses_a_header_without_sets(self, header: bytes) -> None:
        with pytest.raises(NotSmartError):
            H264(header)


class TestHevc:
    def test_a_copied_key_frame_after_a_border_carries_the_sets_and_becomes_a_splice(self) -> None:
        form = Hevc(header_of("hevc mkv open groups"))
        picture = bytes([21 << 1, 1, 0xAF])  # CRA
        data = len(picture).to_bytes(4, "big") + picture

        assert form.is_clean(data)
        assert form.copied(data, is_first=False) == START + picture
        assert form.copied(data, is_first=True) == (form.extradata() or b"") + START + bytes([18 << 1, 1, 0xAF])

    @pytest.mark.parametrize("header", [b"", bytes(30), b"\x01" + b"\xff" * 40], ids=str)
    def test_refuses_a_header_without_sets(self, header: bytes) -> None:
        with pytest.raises(NotSmartError):
            Hevc(header)


class TestAv1:
    def test_the_sequence_header_comes_first_after_a_border_and_once(self) -> None:
        header, frame = b"\x0a\x02\xaa\xbb", b"\x32\x01\x10"
        form = Av1(b"\x81\x00\x0c\x00" + header)

        assert form.copied(frame, is_first=False) == frame
        assert form.copied(frame, is_first=True) == header + frame
        assert form.copied(b"\x12\x00" + header + frame, is_first=True) == b"\x12\x00" + header + frame

    @pytest.mark.parametrize("header", [b"", b"\x81", b"\x0a", b"\x0a\xff\xff\xff", b"\x08\x00"], ids=str)
    def test_reads_a_broken_header_to_its_end(self, header: bytes) -> None:
        assert Av1(header).copied(b"\x32\x01\x10", is_first=True).endswith(b"\x32\x01\x10")


class TestBitstream:
    def test_refuses_other_codecs(self) -> None:
        with pytest.raises(NotSmartError, match="mjpeg is not cut by copying"):
            bitstream("mjpeg", b"")
