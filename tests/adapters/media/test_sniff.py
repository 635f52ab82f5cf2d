"""Telling by bytes what is no media, and where a file should end."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cuepoint.adapters.media.sniff import HEAD_BYTES, Extent, container_name, extent, image_kind, not_media


def jpeg(**values: object) -> bytes:
    target = io.BytesIO()
    Image.effect_noise((64, 48), 90).convert("RGB").save(target, "JPEG", **values)
    return target.getvalue()


class TestImageKind:
    @pytest.mark.parametrize("is_progressive", [False, True], ids=["baseline", "progressive"])
    def test_jpegs_one_behind_the_other_are_no_picture(self, tmp_path: Path, is_progressive: bool) -> None:
        thumbnail = b"\xff\xe5" + struct.pack(">H", 2 + 12) + b"\xff\xd8\xff\xd9\xff\xd8\xff padd"
        one = jpeg(progressive=is_progressive)
        path = tmp_path / "a.bin"

        found = []
        for data in (one, one + one, one + b"\0\0\0\x18ftyp", one[:-2], one[:2] + thumbnail + one[2:]):
            path.write_bytes(data)
            with path.open("rb") as file:
                found.append(image_kind(file.fileno()))

        assert found == ["jpeg", None, "jpeg", "jpeg", "jpeg"]

    def test_a_file_of_several_pictures_is_one(self, tmp_path: Path) -> None:
        path, pictures = tmp_path / "a.mpo", [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
        pictures[0].save(path, "MPO", save_all=True, append_images=pictures[1:])

        with path.open("rb") as file:
            assert image_kind(file.fileno()) == "jpeg"


class TestNotMedia:
    @pytest.mark.parametrize(
        ("head", "found"),
        [
            (b"", "an empty file"),
            (b"hello\nworld", "a text file"),
            ("Grüße, 世界".encode(), "a text file"),
            (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhi", "a text file"),
            (b"#EXTM3U\n", "an HLS playlist"),
            (b"\xef\xbb\xbf #EXTM3U\n", "an HLS playlist"),
            (b"ffconcat version 1.0", "a concat playlist"),
            (b"[playlist]\nFile1=x", "a PLS playlist"),
            (b"<?xml version='1.0'?>\n<MPD xmlns='x'>", "a DASH playlist"),
            (b"<!DOCTYPE HTML><html>", "an HTML page"),
            (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a row of JPEG pictures without a container"),
            (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "a WebP picture"),
            (b"PK\x03\x04\x14\x00", "a ZIP archive"),
            (b"%PDF-1.7\n\x00", "a PDF document"),
            (b"\x7fELF\x02\x01", "a program"),
        ],
    )
    def test_names_what_it_is(self, head: bytes, found: str) -> None:
        assert not_media(head, len(head)) == found

    @pytest.mark.parametrize(
        "head",
        [
            b"\x00\x00\x00\x20ftypisom",
            b"\x1aE\xdf\xa3\x01\x00",
            b"RIFF\x24\x00\x00\x00WAVEfmt ",
            b"OggS\x00\x02",
            b"ID3\x04\x00\x00",
            b"\xff\xfb\x90\x00",
        ],
    )
    def test_lets_media_pass(self, head: bytes) -> None:
        assert not_media(head, 10_000) is None

    def test_a_character_cut_at_the_end_of_the_head_is_still_text(self) -> None:
        head = ("x" * (HEAD_BYTES - 1) + "é").encode()[:HEAD_BYTES]

        assert not_media(head, 10_000) == "a text file"


class TestContainerName:
    @pytest.mark.parametrize(
        ("format_name", "head", "name"),
        [
            ("mov,mp4,m4a,3gp,3g2,mj2", b"\0\0\0\x20ftypisom", "mp4"),
            ("mov,mp4,m4a,3gp,3g2,mj2", b"\0\0\0\x20ftypM4A ", "m4a"),
            ("mov,mp4,m4a,3gp,3g2,mj2", b"\0\0\0\x20ftypqt  ", "mov"),
            ("mov,mp4,m4a,3gp,3g2,mj2", b"\0\0\0\x20ftyp3gp5", "3gp"),
            ("mov,mp4,m4a,3gp,3g2,mj2", b"\0\0\0\x08wide", "mov"),
            ("matroska,webm", b"\x1aE\xdf\xa3\x9fB\x82\x84webm", "webm"),
            ("matroska,webm", b"\x1aE\xdf\xa3\x9fB\x82\x88matroska", "matroska"),
            ("wav", b"RIFF", "wav"),
        ],
    )
    def test_is_one_short_word(self, format_name: str, head: bytes, name: str) -> None:
        assert container_name(format_name, head) == name


class TestExtent:
    @pytest.fixture
    def measure(self, tmp_path: Path) -> Iterator[object]:
        def measured(data: bytes) -> Extent:
            path = tmp_path / "file"
            path.write_bytes(data)
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return extent(descriptor, data[:HEAD_BYTES], len(data))
            finally:
                os.close(descriptor)

        return measured

    @staticmethod
    def box(kind: bytes, length: int, content: bytes = b"") -> bytes:
        return struct.pack(">I4s", length, kind) + content

    def test_a_whole_mp4(self, measure) -> None:
        data = self.box(b"ftyp", 16, b"isom1234") + self.box(b"moov", 8) + self.box(b"mdat", 12, b"1234")

        assert measure(data) == Extent(expected_bytes=36, has_index=True)
        assert not measure(data).is_truncated(36)

    def test_an_mp4_that_lacks_its_index(self, measure) -> None:
        data = self.box(b"ftyp", 16, b"isom1234") + self.box(b"mdat", 1000, b"1234")

        assert measure(data) == Extent(expected_bytes=1016, has_index=False)
        assert measure(data).is_truncated(len(data))

    def test_an_index_that_is_cut_off_is_none(self, measure) -> None:
        data = self.box(b"ftyp", 16, b"isom1234") + self.box(b"moov", 500, b"1234")

        assert measure(data).has_index is False

    def test_a_long_box_and_an_open_one(self, measure) -> None:
        long = struct.pack(">I4sQ", 1, b"moov", 24) + b"12345678"

        assert measure(self.box(b"ftyp", 8) + long + self.box(b"mdat", 0, b"123")) == Extent(43, has_index=True)

    def test_garbage_between_boxes_is_left_to_the_demuxer(self, measure) -> None:
        assert measure(self.box(b"ftyp", 8) + self.box(b"what", 3) + b"xxxxxxxx") == Extent()

    def test_riff_and_matroska_say_their_length(self, measure) -> None:
        matroska = b"\x1aE\xdf\xa3\x84abcd\x18\x53\x80\x67\x88"

        assert measure(b"RIFF" + struct.pack("<I", 92) + b"WAVE").expected_bytes == 100
        assert measure(matroska).expected_bytes == len(matroska) + 8

    def test_an_unknown_length_is_none(self, measure) -> None:
        live = b"\x1aE\xdf\xa3\x84abcd\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"

        assert measure(live).expected_bytes is None
        assert measure(b"RIFF\xff\xff\xff\xffWAVE").expected_bytes is None
        assert measure(b"OggS").expected_bytes is None
        assert measure(b"\x1aE\xdf\xa3").expected_bytes is None
