"""Proxies and audio files: what browsers play, upright, in time, and as loud as asked for."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.adapters.media.base_looks import AudioFormat, AudioQuality, AudioRequest
from cuepoint.adapters.media.look_commands import proxy_size
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode
from tests.support import hostile_bytes
from tests.support.colours import make_hdr, pictures
from tests.support.media import (
    CodedClip,
    click_times,
    frame_numbers,
    make_clip,
    make_coded_clip,
    make_wav,
    names,
    read_samples,
    run_ffmpeg,
)

pytestmark = pytest.mark.media


@pytest.fixture
def tools() -> ChildLookTools:
    return ChildLookTools(Settings())


async def probe(path: Path) -> MediaInfo:
    return await ChildMediaTools(Settings()).probe(path)


async def proxy(tools: ChildLookTools, source: Path) -> tuple[Path, MediaInfo]:
    target = source.parent / "proxy.mp4"
    await tools.proxy(source, target, info=await probe(source), on_progress=lambda _: None)
    return target, await probe(target)


class TestProxy:
    async def test_is_h264_and_aac_with_every_picture(self, tools: ChildLookTools, tmp_path: Path) -> None:
        clip = CodedClip(frames=60, arguments=("-c:v", "mpeg4", "-c:a", "mp3"))
        source = make_coded_clip(tmp_path / "a.avi", clip)

        target, info = await proxy(tools, source)

        assert info.video is not None
        assert info.audio is not None
        assert (info.container, info.video.codec, info.audio.codec) == ("mp4", "h264", "aac")
        assert (info.video.pixel_format, info.video.width, info.video.height) == ("yuv420p", 320, 180)
        assert frame_numbers(target) == list(range(60))
        data = target.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")

    async def test_stands_upright(self, tools: ChildLookTools, tmp_path: Path) -> None:
        plain, source = make_clip(tmp_path / "plain.mp4"), tmp_path / "turned.mp4"
        run_ffmpeg("-display_rotation", "90", "-i", str(plain), "-c", "copy", str(source))

        _, info = await proxy(tools, source)

        assert info.video is not None
        assert (info.video.width, info.video.height, info.video.rotation_degrees) == (180, 320, 0)

    async def test_sound_that_begins_late_stays_late(self, tools: ChildLookTools, tmp_path: Path) -> None:
        clip = CodedClip(frames=72, audio_delay_seconds=0.5, arguments=("-c:v", "mpeg4", "-c:a", "aac"))
        source = make_coded_clip(tmp_path / "a.mkv", clip)

        target, _ = await proxy(tools, source)

        assert click_times(read_samples(target)) == pytest.approx([0.5, 1.5, 2.5], abs=0.03)

    async def test_one_that_would_hold_next_to_nothing_is_refused(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = tmp_path / "a.mkv"
        track, picture = hostile_bytes.picture_track(), hostile_bytes.image("JPEG")
        source.write_bytes(hostile_bytes.spread(11, track, picture, padding=400_000))

        with pytest.raises(CuepointError) as caught:
            await proxy(tools, source)

        assert caught.value.code is ErrorCode.MEDIA_LIMIT_EXCEEDED
        assert caught.value.message.startswith("The proxy would be of no use. The media last 39601 s")
        assert names(tmp_path) == ["a.mkv"]

    async def test_hdr_becomes_sdr(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = tmp_path / "a.mkv"
        curve = ("-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
        run_ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=1", "-pix_fmt", "yuv420p10le", "-c:v", "libx265"),
            *("-x265-params", "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=error", *curve),
            str(source),
        )
        before = await probe(source)

        _, info = await proxy(tools, source)

        assert before.video is not None
        assert info.video is not None
        assert (before.video.hdr, before.video.pixel_format) == ("PQ", "yuv420p10le")
        assert (info.video.hdr, info.video.pixel_format) == (None, "yuv420p")

    async def test_hdr_that_states_only_its_curve_is_that_of_bt2020(
        self, tools: ChildLookTools, tmp_path: Path
    ) -> None:
        shown = []
        for name, said in (("said.mkv", True), ("unsaid.mkv", False)):
            (tmp_path / name).mkdir()
            target, info = await proxy(tools, make_hdr(tmp_path / name / name, says_colours=said))
            assert info.video is not None
            assert info.video.hdr is None
            shown.append(pictures(target)[5].astype(int))

        assert abs(shown[0] - shown[1]).mean() < 1

    async def test_sound_alone(self, tools: ChildLookTools, tmp_path: Path) -> None:
        target, info = await proxy(tools, make_wav(tmp_path / "a.wav"))

        assert info.video is None
        assert info.audio is not None
        assert (info.audio.codec, info.duration_ms) == ("aac", pytest.approx(2000, abs=50))
        assert target.exists()

    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((3840, 2160), (1920, 1080)),
            ((2160, 3840), (1080, 1920)),
            ((1280, 720), (1280, 720)),
            ((641, 361), (640, 360)),
            ((4000, 500), (1920, 240)),
            ((3000, 3000), (1080, 1080)),
        ],
    )
    def test_size(self, size: tuple[int, int], expected: tuple[int, int]) -> None:
        assert proxy_size(TrackInfo(0, "VIDEO", "hevc", width=size[0], height=size[1])) == expected


class TestExportAudio:
    @pytest.mark.parametrize(
        ("format", "codec", "container"),
        [
            (AudioFormat.WAV, "pcm_s16le", "wav"),
            (AudioFormat.MP3, "mp3float", "mp3"),
            (AudioFormat.FLAC, "flac", "flac"),
            (AudioFormat.OPUS, "opus", "ogg"),
            (AudioFormat.M4A, "aac", "m4a"),
        ],
        ids=lambda value: value.value if isinstance(value, AudioFormat) else "",
    )
    async def test_each_format_keeps_the_time_of_the_track(
        self, tools: ChildLookTools, tmp_path: Path, format: AudioFormat, codec: str, container: str
    ) -> None:
        source = make_coded_clip(tmp_path / "a.mp4", CodedClip(frames=72, audio_delay_seconds=0.5))
        target, request = tmp_path / "out", AudioRequest(1, format)

        made = await tools.export_audio(source, target, request=request, duration_ms=3000, on_progress=lambda _: None)

        info = await probe(target)
        assert (info.container, info.tracks[0].codec) == (container, codec)
        hidden = 1105 / 16_000 if format is AudioFormat.MP3 else 0  # LAME's delay, which players leave out
        assert click_times(read_samples(target)) == pytest.approx([t + hidden for t in (0.5, 1.5, 2.5)], abs=0.03)
        assert (made.start_ms, made.size_bytes) == (0, target.stat().st_size)

    async def test_rate_and_channels(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source, target = make_clip(tmp_path / "a.mp4"), tmp_path / "out.wav"
        request = AudioRequest(1, AudioFormat.WAV, sample_rate=44_100, channels=2)

        made = await tools.export_audio(source, target, request=request, duration_ms=2000, on_progress=lambda _: None)

        track = (await probe(target)).tracks[0]
        assert (track.sample_rate, track.channels) == (made.sample_rate, made.channels) == (44_100, 2)

    async def test_quality_is_size(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source, sizes = make_clip(tmp_path / "a.mp4", seconds=4), []
        for quality in (AudioQuality.LOW, AudioQuality.STANDARD, AudioQuality.HIGH):
            request = AudioRequest(1, AudioFormat.MP3, quality)
            made = await tools.export_audio(
                source, tmp_path / "out.mp3", request=request, duration_ms=4000, on_progress=lambda _: None
            )
            sizes.append(made.size_bytes)

        assert sizes[0] < 0.7 * sizes[1] < 0.7 * 0.7 * sizes[2]

    async def test_normalized_is_as_loud_as_speech_on_the_web(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source, target = tmp_path / "a.wav", tmp_path / "out.wav"
        run_ffmpeg("-f", "lavfi", "-i", "sine=f=500:d=6", str(source))
        gain = 21.7 - 16  # what ebur128 says of this tone, to what is asked for
        request = AudioRequest(0, AudioFormat.WAV, is_normalized=True)

        await tools.export_audio(source, target, request=request, duration_ms=6000, on_progress=lambda _: None)

        before, after = (abs(read_samples(path)[16_000:]).max() for path in (source, target))
        assert 20 * math.log10(after / before) == pytest.approx(gain, abs=1)

    @pytest.mark.parametrize(("layout", "speakers", "channels"), [("5.1(side)", 6, 6), ("4.0", 4, 5)])
    async def test_opus_takes_speakers_in_any_place(
        self, tools: ChildLookTools, tmp_path: Path, layout: str, speakers: int, channels: int
    ) -> None:
        sides = "|".join(f"c{number}=c0" for number in range(speakers))
        run_ffmpeg("-f", "lavfi", "-i", f"sine=d=0.5,pan={layout}|{sides}", str(tmp_path / "a.flac"))

        request = AudioRequest(0, AudioFormat.OPUS)
        made = await tools.export_audio(
            tmp_path / "a.flac", tmp_path / "a.opus", request=request, duration_ms=500, on_progress=lambda _: None
        )

        assert made.channels == channels

    async def test_another_track_is_refused(self, tools: ChildLookTools, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mp4")

        with pytest.raises(CuepointError) as refusal:
            await tools.export_audio(
                source,
                tmp_path / "out",
                request=AudioRequest(0, AudioFormat.WAV),
                duration_ms=2000,
                on_progress=lambda _: None,
            )

        assert refusal.value.code is ErrorCode.UNSUPPORTED_MEDIA
        assert names(tmp_path) == ["a.mp4"]
