"""A corpus of hostile files: playlists in disguise, lying tables, bombs, broken containers, evil names, honest others.

Each has its expectation: what probing says, what extracting its first sound says, and what taking a poster says.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support import hostile_bytes as b
from tests.support.hostile_images import stills

OK, NO_PICTURE = "OK", "NONE"
UNSUPPORTED, TRUNCATED, LIMIT = "UNSUPPORTED_MEDIA", "MEDIA_TRUNCATED", "MEDIA_LIMIT_EXCEEDED"


@dataclass(frozen=True)
class Trap:
    """What hostile files point at: a file that must not be read and a server that must not be called."""

    canary: Path
    port: int

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/canary"


@dataclass(frozen=True)
class HostileFile:
    """One file. `sound` and `poster` are as `probe` unless said otherwise; what is refused gets no poster."""

    id: str
    content: Callable[[Trap], bytes]
    probe: str = UNSUPPORTED
    sound: str | None = None
    poster: str | None = None
    name: str | bytes = "video.mp4"
    only_probe: bool = False

    @property
    def expected(self) -> dict[str, str]:
        """By operation."""
        if self.only_probe:
            return {"probe": self.probe}
        poster = {} if self.probe != OK else {"poster": self.poster or OK}
        return {"probe": self.probe, "sound": self.sound or self.probe} | poster

    def write(self, folder: Path, trap: Trap) -> Path:
        """The file, under its own name."""
        path = folder / os.fsdecode(self.name)
        path.write_bytes(self.content(trap))
        return path


def corpus() -> list[HostileFile]:
    """All of them."""
    groups = (_pointers, _tables, _truncated, _noise, _pictures, _stills, _sounds, _times, _matroska, _names)
    plain = [file for group in (_playlists, _texts, _others) for file in group()]
    return [replace(file, only_probe=True) for file in plain] + [file for group in groups for file in group()]


def playlists() -> list[HostileFile]:
    """Those of them that name other files and servers."""
    return list(_playlists())


def _text(id: str, pattern: str, **more: str) -> HostileFile:
    """`{file}`, `{http}`, `{tcp}` and `{port}` become what the trap offers."""

    def content(trap: Trap) -> bytes:
        words = {"file": str(trap.canary), "http": trap.url(), "tcp": trap.url("tcp"), "port": str(trap.port)}
        filled = pattern
        for word, value in words.items():
            filled = filled.replace("{" + word + "}", value)
        return filled.encode()

    return HostileFile(id, content, **more)


def _raw(id: str, data: bytes | Callable[[], bytes], *expected: str, **more: str) -> HostileFile:
    """`expected`: probe, sound, poster."""
    fields = dict(zip(("probe", "sound", "poster"), expected, strict=False))
    return HostileFile(id, lambda _: data() if callable(data) else data, **fields, **more)


def _playlists() -> Iterator[HostileFile]:
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
    for name, target in (("file", "file://{file}"), ("path", "{file}"), ("http", "{http}"), ("tcp", "{tcp}")):
        yield _text(f"hls-{name}", hls.format(target))
    yield _text("hls-gopher", hls.format("gopher://127.0.0.1:{port}/_x"))
    yield _text("hls-concat", hls.format("concat:http://127.0.0.1:{port}/a|file://{file}"))
    yield _text("hls-key", '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{http}"\n#EXTINF:9,\n{file}\n')
    yield _text("hls-map", '#EXTM3U\n#EXT-X-MAP:URI="file://{file}"\n#EXTINF:9,\n{http}\n')
    yield _text("hls-late", " \n" * 3000 + hls.format("file://{file}"))
    yield _text("hls-bom", "\ufeff" + hls.format("{http}"))
    yield _text("hls-behind-binary", "\0\0\1\0" + hls.format("file://{file}"))
    yield _text("hls-behind-id3", "ID3\x04\0\0\0\0\0\0" + hls.format("file://{file}"))
    yield _text("m3u-http", "#EXTM3U\n{http}\n")
    yield _text("concat", "ffconcat version 1.0\nfile 'file:{file}'\n")
    yield _text("concat-http", "ffconcat version 1.0\nfile '{http}'\noption protocol_whitelist file,http,tcp\n")
    yield _text("concat-without-header", "file '{file}'\nduration 9\n")
    segment = "<Period><AdaptationSet mimeType='video/mp4'><Representation id='1'><BaseURL>{}</BaseURL>"
    for name, target in (("file", "file://{file}"), ("http", "{http}")):
        yield _text(f"dash-{name}", "<?xml version='1.0'?>\n<MPD type='static'>" + segment.format(target) + "</MPD>")
    yield _text("dash-without-prologue", "<MPD>" + segment.format("{http}"))
    yield _text("sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n")
    yield _text("subfile", "subfile,,start,0,end,999,,:{file}")
    yield _text("pls", "[playlist]\nFile1={http}\nNumberOfEntries=1\n")
    yield _text("asx", "<ASX version='3'><ENTRY><REF HREF='{http}'/></ENTRY></ASX>")
    yield _text("asf-reference", "[Reference]\nRef1={http}\n")
    yield _text("xspf", "<?xml version='1.0'?><playlist><track><location>{http}</location></track></playlist>")
    yield _text("smil", "<smil><body><video src='file://{file}'/></body></smil>")
    yield _text("real-ram", "rtsp://127.0.0.1:{port}/x\nfile://{file}\n")
    yield _text("imf", "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file://{file}'>]><CompositionPlaylist>&x;")
    yield _text("vobsub", "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n# file: {file}\n")


def _texts() -> Iterator[HostileFile]:
    yield _text("srt", "1\n00:00:00,000 --> 00:00:09,000\n<img src='file://{file}'>\n")
    yield _text("vtt", "WEBVTT\n\nSTYLE\n::cue { background: url({http}) }\n\n00:00.000 --> 00:09.000\nx\n")
    yield _text("ass", "[Script Info]\nVideo File: {file}\nAudio URI: {http}\n[Events]\nDialogue: 0,0:00:00.00\n")
    yield _text(
        "svg", "<svg xmlns='http://www.w3.org/2000/svg'><image href='file://{file}'/><image href='{http}'/></svg>"
    )
    yield _text("html", "<!doctype html><video src='{http}'></video>")
    yield _text("ffmetadata", ";FFMETADATA1\ntitle={file}\n")
    yield _text("yuv4mpeg", "YUV4MPEG2 W99999 H99999 F25:1\nFRAME\n")
    yield _text("script", "#!/bin/sh\ncat {file}\n")
    yield _raw("utf-16", "#EXTM3U\nfile:///etc/passwd\n".encode("utf-16"))
    yield _raw("latin-1", ("Größe und Weiß, naïve façade\n" * 50).encode("latin-1"))
    yield _raw("utf-32", ("plain text\n" * 50).encode("utf-32"))


def _others() -> Iterator[HostileFile]:
    yield _raw("zip", b"PK\x03\x04" + bytes(100))
    yield _raw("gzip", b"\x1f\x8b\x08\x00" + bytes(100))
    yield _raw("tar", b"a.mp4".ljust(257, b"\0") + b"ustar\x0000" + bytes(1000))
    yield _raw("pdf", b"%PDF-1.7\n\x00" + bytes(100))
    yield _raw("program", b"\x7fELF\x02\x01" + bytes(1000))
    yield _raw("flash", b"FWS\x09" + struct.pack("<I", 1000) + bytes(1000))
    yield _raw("midi", b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60MTrk\x00\x00\x00\x04\x00\xff\x2f\x00")
    yield _raw("sqlite", b"SQLite format 3\x00" + bytes(1000))
    yield _raw("png-bomb", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 65_000, 65_000) + bytes(100))
    yield _raw("webp", b"RIFF\x64\x00\x00\x00WEBPVP8X" + bytes(100))
    yield _raw("heic", b.box(b"ftyp", b"heic\0\0\0\0mif1heic") + b.box(b"meta", bytes(100)), TRUNCATED)


def _pointers() -> Iterator[HostileFile]:
    def referring(kind: bytes, where: Callable[[Trap], bytes]) -> Callable[[Trap], bytes]:
        def content(trap: Trap) -> bytes:
            whole = b.movie(b.track(*b.samples()))
            own = b.table(b"url ", version_and_flags=1)
            return whole.replace(own, b.box(kind, bytes(4), where(trap).ljust(4)))  # outer lengths are wrong, too

        return content

    def reference_movie(trap: Trap) -> bytes:
        target = trap.url().encode() + b"\0"
        rdrf = b.box(b"rdrf", bytes(4), b"url ", struct.pack(">I", len(target)), target)
        return b.FTYP + b.box(b"moov", b.box(b"rmra", b.box(b"rmda", rdrf)))

    def linked(trap: Trap) -> bytes:
        info = b.element(0x1549A966, b.element(0x3EB923, bytes(16)), b.element(0x3E83BB, str(trap.canary).encode()))
        return b.matroska(info, b.matroska_track(), b.cluster(0, bytes(16_000)))

    def attached(trap: Trap) -> bytes:
        name = b.element(0x466E, f"../../../..{trap.canary}".encode())
        file = b.element(
            0x61A7, name, b.element(0x4660, b"font/ttf"), b.element(0x465C, bytes(100)), b.unsigned(0x46AE, 1)
        )
        return b.matroska(b.element(0x1941A469, file), b.matroska_track(), b.cluster(0, bytes(16_000)))

    yield HostileFile("mp4-data-in-a-url", referring(b"url ", lambda t: t.url().encode()))
    yield HostileFile("mp4-data-in-a-file", referring(b"url ", lambda t: b"file://" + bytes(t.canary)))
    yield HostileFile("mov-data-in-an-alias", referring(b"alis", lambda t: bytes(t.canary)))
    yield HostileFile("mov-reference-movie", reference_movie)
    yield HostileFile("matroska-linked", linked, OK, poster=NO_PICTURE)
    yield HostileFile("matroska-attachment", attached, OK, poster=NO_PICTURE)


def _tables() -> Iterator[HostileFile]:
    many = 50_000_000
    stts, stsz, stsc, stco = b.samples()
    yield _raw("mp4-honest", b.movie(b.track(*b.samples())), OK, OK, NO_PICTURE)
    yield _raw("mp4-samples-of-one-size", b.movie(b.track(stts, b.table(b"stsz", 1, many), stsc, stco)), LIMIT)
    yield _raw("mp4-sample-sizes", b.movie(b.track(stts, b.table(b"stsz", 0, many), stsc, stco)), LIMIT)
    yield _raw(
        "mp4-sample-sizes-beyond",
        b.movie(b.track(stts, b.box(b"stsz", struct.pack(">III", 0, 0, many), length=2**32 - 9))),
        LIMIT,
    )
    yield _raw("mp4-times", b.movie(b.track(b.table(b"stts", 1, many, 1), stsz, stsc, stco)), LIMIT)
    yield _raw("mp4-offsets", b.movie(b.track(stts, stsz, stsc, stco, b.table(b"ctts", 1, many, 0))), LIMIT)
    yield _raw("mp4-chunks", b.movie(b.track(stts, stsz, stsc, b.table(b"stco", 2**30))), LIMIT)
    yield _raw("mp4-long-chunks", b.movie(b.track(stts, stsz, stsc, b.table(b"co64", 2**29))), LIMIT)
    yield _raw("mp4-sync", b.movie(b.track(*b.samples(), b.table(b"stss", many))), LIMIT)
    edits = b.box(b"elst", struct.pack(">II", 0, 100_000), struct.pack(">III", 1, 0, 0x10000) * 100_000)
    yield _raw("mp4-edits", b.movie(b.track(*b.samples()) + b.box(b"edts", edits)), LIMIT)
    fragment = b.box(b"moof", b.table(b"mfhd", 1), b.box(b"traf", b.table(b"tfhd", 1), b.table(b"trun", many)))
    yield _raw("mp4-fragment", b.movie(b.track(*b.samples(0))) + fragment, LIMIT)
    yield _raw("mp4-nested", b.FTYP + b.nested(b"moov", 5000), LIMIT)
    yield _raw("mp4-nested-tracks", b.FTYP + b.box(b"moov", b.nested(b"trak", 5000)), LIMIT)
    packed = b.box(b"cmov", b.box(b"dcom", b"zlib"), b.box(b"cmvd", struct.pack(">I", 2**31), b.packed_zeros(100_000)))
    yield _raw("mov-compressed-index", b.FTYP + b.box(b"moov", packed))
    yield _raw("mp4-many-tracks", b.movie(*(b.track(*b.samples(), number=n) for n in range(1, 200))), LIMIT)
    yield _raw("mp4-endless-box", b.FTYP + struct.pack(">I4sQ", 1, b"moov", 2**63 - 1) + bytes(1000), TRUNCATED)
    yield _raw("mp4-tiny-boxes", b.FTYP + struct.pack(">I4s", 8, b"free") * 200_000, TRUNCATED)
    yield _raw("mp4-unknown-codec", b.movie(b.track(*b.samples(), entry=b.box(b"\xff%s\n", bytes(28)))))


def _truncated() -> Iterator[HostileFile]:
    yield _raw("empty", b"")
    yield _raw("one-byte", b"\0")
    yield _raw("mp4-brand-only", b.FTYP, TRUNCATED)
    for share in (1, 20, 50, 80, 99):
        yield _raw(f"mp4-{share}-percent", lambda share=share: _part(b.real(".mp4"), share), TRUNCATED)
    fast = ("-movflags", "+faststart")
    yield _raw("mp4-index-only", lambda: b.real(".mp4", *fast).partition(b"mdat")[0] + b"mdat", TRUNCATED, UNSUPPORTED)
    yield _raw("mp4-faststart-half", lambda: _part(b.real(".mp4", *fast), 60), OK)
    yield _raw("matroska-1-percent", lambda: _part(b.real(".mkv"), 1), TRUNCATED)
    yield _raw("matroska-half", lambda: _part(b.real(".mkv"), 50), OK)
    yield _raw("ts-half", lambda: _part(b.real(".ts"), 50), OK)
    yield _raw("wav-head-only", b.wave()[:44], TRUNCATED, UNSUPPORTED)
    yield _raw("wav-half", b.wave()[:8000], OK, OK, NO_PICTURE)
    yield _raw("mp3-four-bytes", b"\xff\xfb\x90\x00")


def _part(whole: bytes, percent: int) -> bytes:
    return whole[: max(1, len(whole) * percent // 100)]


def _noise() -> Iterator[HostileFile]:
    noise = random.Random(6).randbytes(64 * 1024)
    yield _raw("random", noise)
    yield _raw("zeros", bytes(64 * 1024))
    yield _raw("ones", b"\xff" * 64 * 1024)
    yield _raw("mp4-then-random", b.FTYP + noise, TRUNCATED)
    for name, magic in (("matroska", b"\x1aE\xdf\xa3\x84"), ("riff", b"RIFF\xff\xff\xff\xffWAVEfmt ")):
        yield _raw(f"{name}-then-random", magic + noise)
    yield _raw("avi-then-random", b"RIFF\xff\xff\xff\xffAVI LIST" + noise)
    yield _raw("ogg-then-random", b"OggS\x00\x02" + noise)
    # By its seed a tag of ADPCM sound, which begins on the fortieth day: noise, but every byte of it can be heard.
    yield _raw("flv-then-random", b"FLV\x01\x05\x00\x00\x00\x09" + noise, OK, OK, NO_PICTURE)
    yield _raw("ts-then-random", (b"\x47" + noise[:187]) * 300)
    yield _raw("asf-then-random", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + noise)
    for seed in range(4):
        yield _raw(f"mp4-damaged-{seed}", lambda seed=seed: _damaged(b.real(".mp4"), seed), OK)


def _damaged(whole: bytes, seed: int) -> bytes:
    """One byte in 500 of the pictures and the sound is another."""
    chance, changed = random.Random(seed), bytearray(whole)
    for _ in range(len(whole) // 500):
        changed[chance.randrange(64, whole.index(b"moov") - 8)] = chance.randrange(256)
    return bytes(changed)


def _pictures() -> Iterator[HostileFile]:
    small, huge = b.jpeg(64, 64), b.jpeg(12_000, 12_000)
    yield _raw("jpeg-143-megapixels", huge, LIMIT, UNSUPPORTED)
    yield _raw("avi-of-small-pictures", b.avi(64, 64, [small] * 3), OK, UNSUPPORTED)
    yield _raw("avi-of-bombs", b.avi(64, 64, [huge] * 3))
    yield _raw("avi-that-grows", b.avi(64, 64, [small, *[huge] * 5]), OK, UNSUPPORTED)
    yield _raw("avi-giant-header", b.avi(65_000, 65_000, [small]), OK, UNSUPPORTED)
    yield _raw("avi-raw-giant", b.avi(2**31 - 1, 2**31 - 1, [bytes(100)], codec=bytes(4)))
    cover = b"APIC" + struct.pack(">I2xB", len(huge) + 13, 0) + b"image/jpeg\0\x03\0" + huge
    mp3 = b.encoded(".mp3", "-f", "lavfi", "-i", "sine=d=1", "-id3v2_version", "0")
    size = struct.pack(">4B", *(len(cover) >> shift & 0x7F for shift in (21, 14, 7, 0)))
    yield _raw("mp3-cover-bomb", b"ID3\x03\x00\x00" + size + cover + mp3, OK, OK, NO_PICTURE)


def _stills() -> Iterator[HostileFile]:
    return (_raw(name, data, said, UNSUPPORTED) for name, data, said in stills())


def _sounds() -> Iterator[HostileFile]:
    yield _raw("wav-1-hertz", b.wave(1, data=bytes(80_000)), LIMIT)
    yield _raw("wav-0-hertz", b.wave(0))
    yield _raw("wav-4-gigahertz", b.wave(0xFFFFFFFF), UNSUPPORTED)
    yield _raw("wav-65535-channels", b.wave(channels=65_535), UNSUPPORTED)
    yield _raw("wav-200-channels", b.wave(channels=200, data=bytes(40_000)), LIMIT)
    yield _raw("wav-no-channels", b.wave(channels=0))
    yield _raw("wav-no-align", b.wave(align=0), OK, OK, NO_PICTURE)
    yield _raw("wav-endless", b.wave(size=0xFFFFFFFF), OK, OK, NO_PICTURE)
    rate = struct.pack(">HQ", 0x7FFF, 0)  # an 80-bit infinity
    common = b"COMM" + struct.pack(">IHIH", 18, 1, 8000, 16) + rate
    yield _raw(
        "aiff-infinite-rate",
        b"FORM\x00\x00\x40\x00AIFF" + common + b"SSND" + struct.pack(">III", 16_008, 0, 0) + bytes(16_000),
    )
    yield _raw("au-no-rate", b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, 0, 1) + bytes(16_000))
    yield _raw("au-many-channels", b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, 8000, 2**31 - 1) + bytes(16_000))
    yield _raw("id3-endless", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(1000))


def _times() -> Iterator[HostileFile]:
    sound = bytes(1600)
    yield _raw("29-hours-of-three-blocks", b.spread(29, b.matroska_track(), sound), LIMIT)
    yield _raw("11-hours-of-three-blocks", b.spread(11, b.matroska_track(), sound), LIMIT)
    pictures = b.picture_track(), b.image("JPEG")  # one a second would be 39,600 of them
    yield _raw("11-hours-of-three-pictures", b.spread(11, *pictures), LIMIT)
    yield _raw("11-hours-of-three-pictures-and-padding", b.spread(11, *pictures, padding=400_000), OK, UNSUPPORTED)
    yield _raw(
        "time-stamps-without-end",
        b.matroska(b.matroska_track(), b.cluster(0, sound), b.cluster(2**62, sound)),
        OK,
        OK,
        NO_PICTURE,
    )
    yield _raw(
        "mp4-49-days",
        b.movie(b.track(b.table(b"stts", 1, 8000, 2**31 - 1), *b.samples()[1:]), duration=2**32 - 2),
        OK,
        OK,
        NO_PICTURE,
    )
    yield _raw(
        "flv-jumps",
        b"FLV\x01\x04\x00\x00\x00\x09\x00\x00\x00\x00" + b.flv_tag(0) + b.flv_tag(0x7FFFFFFF) + b.flv_tag(0),
        LIMIT,
    )


def _matroska() -> Iterator[HostileFile]:
    sound = bytes(16_000)
    huge = 2**56 - 2
    yield _raw("matroska-honest", b.matroska(b.matroska_track(), b.cluster(0, sound)), OK, OK, NO_PICTURE)
    yield _raw(
        "matroska-huge-segment",
        b.matroska(b.matroska_track(), b.cluster(0, sound), segment_size=huge),
        OK,
        OK,
        NO_PICTURE,
    )
    yield _raw("matroska-huge-child", b.matroska(b.element(0x1654AE6B, bytes(100), size=huge)))
    yield _raw("matroska-huge-private", b.matroska(b.matroska_track(b.element(0x63A2, bytes(10), size=2**31 - 1))))
    yield _raw(
        "matroska-huge-block",
        b.matroska(b.matroska_track(), b.element(0x1F43B675, b.element(0xA3, sound, size=2**31 - 1))),
    )
    nested = b"\x81"
    for _ in range(2000):
        nested = b.element(0xB6, nested)
    yield _raw(
        "matroska-nested-chapters",
        b.matroska(b.element(0x1043A770, b.element(0x45B9, nested)), b.matroska_track(), b.cluster(0, sound)),
        OK,
        OK,
        NO_PICTURE,
    )
    bombs = [b.packed_zeros(4_000_000)] * 20
    yield _raw(
        "matroska-compressed-blocks",
        b.matroska(b.matroska_track(b.COMPRESSED), b.cluster(0, *bombs)),
        OK,
        OK,
        NO_PICTURE,
    )
    yield _raw(
        "matroska-other-type",
        b.matroska(b.matroska_track(), b.cluster(0, sound), kind=b"../../etc/passwd"),
        OK,
        OK,
        NO_PICTURE,
    )
    yield _raw("matroska-evil-codec", b.matroska(b.matroska_track(codec=b"$(touch x);%n-i"), b.cluster(0, sound)))


def _names() -> Iterator[HostileFile]:
    names: tuple[str | bytes, ...] = (
        "-i",
        "-filter_complex movie=x",
        "a\nb.mp4",
        "%d%n%s.mp4",
        "..mp4",
        "file:x",
        "concat:a|b",
        "pipe:0",
        "fd:",
        "$(touch x)'\";`touch x`.mp4",
        b"\xff\xfe.mp4",
        "x" * 250 + ".mp4",
        "\u202egpj.mp4",
    )
    for number, name in enumerate(names):
        yield _raw(f"name-{number}", lambda: b.real(".mp4"), OK, name=name)
