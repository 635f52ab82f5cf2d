"""CPU and memory of clips of one video whose ranges overlap: a run of ffmpeg for each, or one that decodes once.

Run as `python -m benchmarks.media.bulk_clips`, two minutes; `benchmarks.media` leaves it out. For decision 0025.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from tests.support.media import run_ffmpeg

ROUNDS = 1
LENGTH = 5
GRAIN = (2, 8)  # of the pictures: the second is as hard to decode as pictures get
SIZES = {"ORIGINAL": "null", "9:16": "crop=404:720", "1:1": "crop=720:720"}
ENCODING = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac")


@dataclass(frozen=True)
class Part:
    """A clip: where it begins, and its filter."""

    start: int
    frame: str


CASES = {
    "one range in three aspects": [Part(10, frame) for frame in SIZES.values()],
    "one range, three times 9:16": [Part(10, SIZES["9:16"])] * 3,
    "three that overlap by half": [Part(10 + number * LENGTH // 2, SIZES["ORIGINAL"]) for number in range(3)],
    "three apart, within 25 s": [Part(10 * number, SIZES["ORIGINAL"]) for number in range(3)],
}


def apart(source: Path, folder: Path, parts: list[Part]) -> list[list[str]]:
    """As the product does it: each seeks on its own."""
    return [
        [
            *("-ss", str(part.start), "-t", str(LENGTH), "-i", str(source)),
            *("-vf", part.frame, *ENCODING, str(folder / f"{number}.mp4")),
        ]
        for number, part in enumerate(parts)
    ]


def together(source: Path, folder: Path, parts: list[Part]) -> list[list[str]]:
    """One run from the first start to the last end, whose pictures and sound are divided."""
    first, count = min(part.start for part in parts), len(parts)
    whole = max(part.start for part in parts) + LENGTH - first
    splits = [f"[0:v]split={count}" + "".join(f"[v{n}]" for n in range(count))]
    splits += [f"[0:a]asplit={count}" + "".join(f"[a{n}]" for n in range(count))]
    cuts, outputs = [], []
    for number, part in enumerate(parts):
        range_ = f"start={part.start - first}:duration={LENGTH}"
        cuts += [f"[v{number}]trim={range_},setpts=PTS-STARTPTS,{part.frame}[p{number}]"]
        cuts += [f"[a{number}]atrim={range_},asetpts=PTS-STARTPTS[s{number}]"]
        outputs += ["-map", f"[p{number}]", "-map", f"[s{number}]", *ENCODING, str(folder / f"{number}.mp4")]
    graph = ";".join([*splits, *cuts])
    return [["-ss", str(first), "-t", str(whole), "-i", str(source), "-filter_complex", graph, *outputs]]


def measured(commands: list[list[str]]) -> tuple[float, float]:
    """CPU seconds of all, and the greatest memory of one of them in MB."""
    seconds = most = 0.0
    for command in commands:
        argv = ["timeout", "120", imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-nostdin", *command]
        process = subprocess.Popen(argv)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        seconds += usage.ru_utime + usage.ru_stime
        most = max(most, usage.ru_maxrss / 1024)
    return seconds, most


def run(rounds: int = ROUNDS) -> None:
    """Print a row for each case and kind of picture."""
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as name:
        for grain in GRAIN:
            source = Path(name) / f"grain-{grain}.mp4"
            pictures = f"testsrc2=s=1280x720:r=25:d=25,noise=alls={grain}:allf=t"
            sound = ("-f", "lavfi", "-i", "anoisesrc=d=25:a=0.1")
            run_ffmpeg("-f", "lavfi", "-i", pictures, *sound, *ENCODING, "-g", "250", str(source))
            print(f"720p at {source.stat().st_size * 8 / 25e6:.1f} Mbit/s")
            for case, parts in CASES.items():
                _compare(case, source, Path(name), parts, rounds)


def _compare(case: str, source: Path, folder: Path, parts: list[Part], rounds: int) -> None:
    ways = {"apart": apart(source, folder, parts), "together": together(source, folder, parts)}
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, commands in ways.items():
            found[way].append(measured(commands))
    least = {way: min(values) for way, values in found.items()}
    saved = 1 - least["together"][0] / least["apart"][0]
    figures = "  ".join(f"{way} {cpu:6.2f} s {memory:5.0f} MB" for way, (cpu, memory) in least.items())
    print(f"{case:32} {figures}  saved {saved:6.1%}", flush=True)


if __name__ == "__main__":
    run()
