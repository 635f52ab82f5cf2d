"""What probing tells about good, turned, cut-off, foreign and hostile files."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import pytest

from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from tests.support.media import (
    CodedClip,
    make_clip,
    make_coded_clip,
    make_playlist,
    make_text,
    make_truncated,
    make_wav,
    run_ffmpeg,
)

pytestmark = pytest.mark.media


async def refusal(tools: ChildMediaTools, path: Path) -> tuple[ErrorCode, str]:
    with pytest.raises(CuepointError) as caught:
        await tools.probe(path)
    return caught.value.code, caught.value.message


class TestGoodFiles:
    async def test_an_mp4_with_sound(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        path = make_clip(tmp_path / "a.mp4", seconds=2, fps=Fraction(30000, 1001))

        info = await tools.probe(path)

        video, audio = info.video, info.audio
        assert video is not None
        assert audio is not None
        assert (info.container, info.size_bytes, info.warnings) == ("mp4", path.stat().st_size, ())
        assert abs((info.duration_ms or 0) - 2002) <= 70
        assert (video.codec, video.width, video.height, video.rotation_degrees) == ("h264", 320, 180, 0)
        assert (video.frame_rate, video.pixel_format, video.start_ms) == ((30000, 1001), "yuv420p", 0)
        assert (audio.codec, audio.channels, audio.sample_rate, audio.start_ms) == ("aac", 1, 16_000, 0)

    async def test_one_second_without_sound(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        info = await tools.probe(make_clip(tmp_path / "a.mp4", seconds=1, audio=None))

        assert (info.duration_ms, info.audio, len(info.tracks)) == (1000, None, 1)

    async def test_sound_alone(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        info = await tools.probe(make_wav(tmp_path / "a.wav", seconds=1.5))

        assert (info.container, info.duration_ms, info.video) == ("wav", 1500, None)
        assert info.audio is not None
        assert info.audio.codec == "pcm_s16le"

    async def test_a_late_sound_track_says_so(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        clip = CodedClip(audio_delay_seconds=0.5, arguments=("-c:v", "mjpeg", "-c:a", "pcm_s16le"))

        info = await tools.probe(make_coded_clip(tmp_path / "a.mov", clip))

        assert info.audio is not None
        assert info.audio.start_ms == 500

    async def test_what_a_container_does_not_say_is_none(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        info = await tools.probe(make_clip(tmp_path / "a.mkv"))

        assert info.container == "matroska"
        assert info.video is not None
        assert (info.video.duration_ms, info.video.bit_rate, info.video.language) == (None, None, None)

    async def test_a_recording_that_does_not_say_how_long_it_is(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        """As browsers write them: there is no way back to the header."""
        coding = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1")

        info = await tools.probe(make_coded_clip(tmp_path / "a.webm", CodedClip(arguments=coding)))

        assert (info.duration_ms, info.duration_source) == (pytest.approx(4000, abs=30), "TRACKS")

    async def test_pictures_may_begin_later_than_the_sound_in_front_of_them(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.flv"
        sources = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1:r=44100")
        run_ffmpeg(*sources, "-c:v", "flv1", "-c:a", "libmp3lame", str(path))

        info = await tools.probe(path)

        assert [track.codec for track in info.tracks] == ["mp3float", "flv"]

    async def test_the_times_of_a_transport_stream_count_from_its_start(
        self, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        clip = CodedClip(audio=None, arguments=("-c:v", "libx264", "-preset", "ultrafast", "-muxdelay", "1.4"))

        info = await tools.probe(make_coded_clip(tmp_path / "a.ts", clip))

        assert info.video is not None
        assert (info.container, info.video.start_ms) == ("mpegts", 0)

    @pytest.mark.parametrize(("turn", "size"), [(90, (180, 320)), (180, (320, 180)), (270, (180, 320))])
    async def test_a_turned_picture(
        self, tools: ChildMediaTools, tmp_path: Path, turn: int, size: tuple[int, int]
    ) -> None:
        flat, turned = make_clip(tmp_path / "flat.mp4", audio=None), tmp_path / "turned.mp4"
        run_ffmpeg("-display_rotation", str(-turn), "-i", str(flat), "-c", "copy", str(turned))

        info = await tools.probe(turned)

        assert info.video is not None
        assert (info.video.rotation_degrees, info.video.width, info.video.height) == (turn, *size)

    async def test_a_cover_picture_is_no_video(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        sound, cover, path = make_wav(tmp_path / "a.wav"), tmp_path / "c.jpg", tmp_path / "a.mp3"
        run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:r=1:s=64x64", "-frames:v", "1", str(cover))
        run_ffmpeg(
            *("-i", str(sound), "-i", str(cover), "-map", "0", "-map", "1"),
            *("-c:v", "copy", "-disposition:v", "attached_pic", str(path)),
        )

        info = await tools.probe(path)

        assert (info.container, info.video) == ("mp3", None)
        assert [track.type for track in info.tracks] == ["AUDIO", "DATA"]

    @pytest.mark.parametrize(
        "name", ['it\'s "quoted".mp4', "two\nlines.mp4", "-i.mp4", "a%d.mp4", "http:x.mp4", "..mp4", "$(id);x.mp4"]
    )
    async def test_the_name_does_not_matter(self, tools: ChildMediaTools, tmp_path: Path, name: str) -> None:
        (tmp_path / "sub").mkdir()
        make_clip(tmp_path / "a.mp4", seconds=1).rename(tmp_path / name)

        info = await tools.probe(tmp_path / "sub" / ".." / name)

        assert info.container == "mp4"


class TestCutOffFiles:
    async def test_with_the_index_in_front_says_how_much_is_there(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        info = await tools.probe(make_truncated(tmp_path / "a.mp4", with_index=True))

        (warning,) = info.warnings
        readable = float(warning.removeprefix("TRUNCATED: ").split()[0])
        assert warning.endswith((" s of 8.0 s can be read", " s of 8.1 s can be read"))
        assert 2.5 < readable < 5.5

    async def test_without_the_index_is_an_error(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        code, message = await refusal(tools, make_truncated(tmp_path / "a.mp4", with_index=False))

        assert code is ErrorCode.MEDIA_TRUNCATED
        assert "the index (moov) is missing" in message

    async def test_with_the_index_but_no_picture_is_an_error(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        path = make_truncated(tmp_path / "a.mp4", with_index=True)
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"mdat") + 20])

        code, message = await refusal(tools, path)

        assert (code, "nothing in it can be decoded" in message) == (ErrorCode.MEDIA_TRUNCATED, True)

    async def test_matroska_says_how_many_bytes_are_there(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        path = make_clip(tmp_path / "a.mkv", seconds=4)
        whole = path.stat().st_size
        path.write_bytes(path.read_bytes()[: whole // 2])

        info = await tools.probe(path)

        assert info.warnings == (f"TRUNCATED: {whole // 2} of {whole} bytes are there",)


class TestForeignFiles:
    async def test_text(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        assert await refusal(tools, make_text(tmp_path / "a.mp4")) == (
            ErrorCode.UNSUPPORTED_MEDIA,
            "This is a text file, not a video or audio file.",
        )

    async def test_empty(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").touch()

        assert await refusal(tools, tmp_path / "a.mp4") == (
            ErrorCode.UNSUPPORTED_MEDIA,
            "This is an empty file, not a video or audio file.",
        )

    async def test_noise(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(bytes((7 * n * n + 3 * n) % 251 for n in range(50_000)))

        code, _ = await refusal(tools, tmp_path / "a.mp4")

        assert code is ErrorCode.UNSUPPORTED_MEDIA

    async def test_a_directory_and_a_pipe(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.mp4")

        assert await refusal(tools, tmp_path) == (ErrorCode.UNSUPPORTED_MEDIA, "This is not a regular file.")
        assert (await refusal(tools, tmp_path / "pipe.mp4"))[0] is ErrorCode.UNSUPPORTED_MEDIA

    async def test_a_missing_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        with pytest.raises(AdapterError) as caught:
            await tools.probe(tmp_path / "gone.mp4")

        assert (caught.value.code, caught.value.retryable) == (ErrorCode.STORAGE_UNAVAILABLE, False)
        assert str(tmp_path) not in caught.value.message


class TestHostileFiles:
    async def test_an_hls_playlist_that_names_another_file(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        other = make_clip(tmp_path / "secret.ts", seconds=1)

        code, message = await refusal(tools, make_playlist(tmp_path / "a.mp4", other))

        assert (code, "an HLS playlist" in message) == (ErrorCode.UNSUPPORTED_MEDIA, True)

    @pytest.mark.parametrize(
        "head",
        [
            "\n\n#EXTM3U\n#EXTINF:1,\n{other}\n",
            "ffconcat version 1.0\nfile '{other}'\n",
            "<?xml version='1.0'?><MPD><Period><BaseURL>{other}</BaseURL></Period></MPD>",
            "\x00\x01#EXTM3U\n#EXTINF:1,\n{other}\n",
        ],
    )
    async def test_other_playlists(self, tools: ChildMediaTools, tmp_path: Path, head: str) -> None:
        other = make_clip(tmp_path / "secret.ts", seconds=1)
        (tmp_path / "a.mp4").write_text(head.format(other=other))

        code, _ = await refusal(tools, tmp_path / "a.mp4")

        assert code is ErrorCode.UNSUPPORTED_MEDIA

    async def test_a_longer_file_than_accepted(self, tmp_path: Path) -> None:
        tools = ChildMediaTools(Settings(media_max_duration_seconds=1))

        code, message = await refusal(tools, make_clip(tmp_path / "a.mp4", seconds=3))

        assert code is ErrorCode.MEDIA_LIMIT_EXCEEDED
        assert "at most 1 s are accepted" in message

    async def test_a_larger_picture_than_accepted(self, tmp_path: Path) -> None:
        tools = ChildMediaTools(Settings(media_max_pixels=320 * 180 - 1))

        code, message = await refusal(tools, make_clip(tmp_path / "a.mp4", seconds=1))

        assert code is ErrorCode.MEDIA_LIMIT_EXCEEDED
        assert "320 x 180 pixels" in message

    async def test_more_tracks_than_accepted(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        sound, path = make_wav(tmp_path / "a.wav", seconds=0.2), tmp_path / "a.mka"
        run_ffmpeg("-i", str(sound), *["-map", "0:a"] * 33, str(path))

        code, message = await refusal(tools, path)

        assert (code, "33 tracks" in message) == (ErrorCode.MEDIA_LIMIT_EXCEEDED, True)

    async def test_tags_that_are_no_text_do_no_harm(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        path = make_clip(tmp_path / "a.mp4", seconds=1)
        run_ffmpeg("-i", str(path), "-c", "copy", "-metadata", "title=abcdefgh", str(tmp_path / "b.mp4"))
        data = (tmp_path / "b.mp4").read_bytes()
        path.write_bytes(data.replace(b"abcdefgh", b"\xff\xfe\x80\x00\n\xc3(\xff"))

        info = await tools.probe(path)

        assert info.container == "mp4"

    async def test_boxes_that_lie_about_their_size_end_soon(self, tools: ChildMediaTools, tmp_path: Path) -> None:
        boxes = struct.pack(">I4s", 8, b"free") * 50_000 + struct.pack(">I4sQ", 1, b"mdat", 2**63)
        (tmp_path / "a.mp4").write_bytes(struct.pack(">I4s8s", 16, b"ftyp", b"isom\0\0\0\0") + boxes)

        code, _ = await refusal(tools, tmp_path / "a.mp4")

        assert code is ErrorCode.MEDIA_TRUNCATED
