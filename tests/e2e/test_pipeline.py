"""The whole job on the real engines, through the public API: from a file to text, hits, moments and clips."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from cuepoint.client import CuepointClient
from tests.e2e.conftest import Sample
from tests.support.product import call, finish
from tests.support.speech import VIDEO, load_truth, word_error_rate

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.media]

FRAME_MS = 1000 / 24
# What a person would point at for each search; no content word is shared.
SEARCHES = {
    "bad weather ruined the orchard": "A terrible storm destroyed the apple trees in the garden.",
    "the official punished a player": "The referee shows a red card to the defender.",
    "animals under the ship": "The whales swim under the sailing boat.",
    "baking": "Heat the oven before you bake the bread.",
}


def frames(path: Path, *, start: float = 0.0, count: int | None = None) -> NDArray[np.int16]:
    """Small pictures of a video's luma as it is stored, from `start` seconds on, without dropping or doubling: a clip
    is labelled as what its source was taken for, and grey of labelled pictures is computed another way."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    command += ["-vf", f"select='gte(t,{start - 0.0005:.4f})',extractplanes=y,scale=64:36", "-fps_mode", "passthrough"]
    command += ["-frames:v", str(count)] if count else []
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 36, 64).astype(np.int16)


class TestTranscript:
    async def test_has_no_wrong_word(self, client: CuepointClient, sample: Sample) -> None:
        answer = await call(client, "Transcript", {"videoId": sample.video_id})
        transcript = answer["transcript"]
        truth = load_truth(VIDEO)

        text = " ".join(segment["text"] for segment in transcript["segments"]["nodes"])

        assert word_error_rate(" ".join(sentence.text for sentence in truth), text) == 0.0
        assert transcript["language"] == "en"
        assert transcript["isDemoModel"]
        assert "CUEPOINT_WHISPER_MODEL" in transcript["notice"]

    async def test_words_are_timed(self, client: CuepointClient, sample: Sample) -> None:
        answer = await call(client, "Transcript", {"videoId": sample.video_id})
        words = [word for segment in answer["transcript"]["segments"]["nodes"] for word in segment["words"]]
        true_words = [word for sentence in load_truth(VIDEO) for word in sentence.words]

        off = [abs(word["startSeconds"] - true.start_ms / 1000) for word, true in zip(words, true_words, strict=True)]

        assert np.mean(np.array(off) <= 0.15) >= 0.93

    @pytest.mark.parametrize(
        ("format", "begins"), [("SRT", "1\n00:00:00,"), ("VTT", "WEBVTT"), ("TXT", "Welcome back"), ("JSON", "{")]
    )
    async def test_comes_as_a_file(self, client: CuepointClient, sample: Sample, format: str, begins: str) -> None:
        answer = await call(client, "Transcript", {"videoId": sample.video_id})
        wanted = {"transcriptId": answer["transcript"]["id"], "format": format}

        file = await call(client, "TranscriptFile", {"input": wanted})

        assert file["content"].startswith(begins)
        assert "storm" in file["content"]
        assert file["filename"].endswith(f".{format.lower()}")


class TestSearch:
    @pytest.mark.parametrize(("query", "answer"), SEARCHES.items())
    async def test_finds_what_a_person_would_point_at(
        self, client: CuepointClient, sample: Sample, query: str, answer: str
    ) -> None:
        truth = next(sentence for sentence in load_truth(VIDEO) if sentence.text == answer)

        found = await call(client, "SemanticSearch", {"query": query})

        best = found["hits"][0]
        assert answer in best["text"]
        assert best["startSeconds"] <= truth.start_ms / 1000 + 0.3
        assert best["endSeconds"] >= truth.end_ms / 1000 - 0.3
        assert best["video"]["id"] == sample.video_id
        assert found["groups"][0]["video"]["id"] == sample.video_id


class TestMoments:
    async def test_lie_on_sentences_and_say_why(self, client: CuepointClient, sample: Sample) -> None:
        transcript = (await call(client, "Transcript", {"videoId": sample.video_id}))["transcript"]
        starts = {segment["startSeconds"] for segment in transcript["segments"]["nodes"]}
        ends = {segment["endSeconds"] for segment in transcript["segments"]["nodes"]}

        moments = (await call(client, "Moments", {"videoId": sample.video_id}))["moments"]["nodes"]

        assert 3 <= len(moments) <= 10
        assert [m["score"] for m in moments] == sorted((m["score"] for m in moments), reverse=True)
        assert {m["startSeconds"] for m in moments} <= starts
        assert {m["endSeconds"] for m in moments} <= ends
        assert all(m["title"] and m["reason"] for m in moments)


class TestClip:
    @pytest.mark.parametrize(("start", "end"), [("00:00:16.530", 22.81), (30.0, 31.0), (0, 0.5), (79.9, 81.4)])
    async def test_starts_and_ends_at_the_right_frames(
        self, client: CuepointClient, sample: Sample, tmp_path: Path, start: float | str, end: float
    ) -> None:
        start_seconds = 16.53 if isinstance(start, str) else start
        wanted = {"videoId": sample.video_id, "start": start, "end": end}
        created = await call(client, "CreateClip", {"input": wanted})

        end_of_job = await finish(client, created["job"]["id"])
        clip = await call(client, "Clip", {"id": created["clip"]["id"]})
        file = tmp_path / "clip.mp4"
        file.write_bytes((await client.http.get(clip["url"])).content)

        assert end_of_job["status"] == "SUCCEEDED"
        cut = frames(file)
        first = -(-round(start_seconds * 1000 - 0.5, 3) // FRAME_MS)
        expected = -(-round(end * 1000 - 0.5, 3) // FRAME_MS) - first
        original = frames(VIDEO, start=start_seconds, count=len(cut))
        assert len(cut) == expected
        assert np.abs(cut[0] - original[0]).mean() < 4
        assert np.abs(cut[-1] - original[-1]).mean() < 4
        assert clip["actualRange"]["startSeconds"] == pytest.approx(first * FRAME_MS / 1000, abs=0.002)

    async def test_is_served_in_ranges_and_only_with_its_signature(
        self, client: CuepointClient, sample: Sample
    ) -> None:
        wanted = {"videoId": sample.video_id, "start": 1.0, "end": 2.0}
        created = await call(client, "CreateClip", {"input": wanted})
        await finish(client, created["job"]["id"])
        clip = await call(client, "Clip", {"id": created["clip"]["id"]})

        part = await client.http.get(clip["url"], headers={"Range": "bytes=4-7"})
        unsigned = await client.http.get(clip["url"].split("?")[0])

        assert (part.status_code, part.content) == (206, b"ftyp")
        assert part.headers["Content-Range"] == f"bytes 4-7/{clip['sizeBytes']}"
        assert unsigned.status_code == 403


class TestAgain:
    async def test_a_second_run_leaves_the_same_results(self, client: CuepointClient, sample: Sample) -> None:
        before = await call(client, "Moments", {"videoId": sample.video_id})

        started = await call(client, "StartPipeline", {"input": {"videoId": sample.video_id, "force": True}})
        ends = [await finish(client, job["id"]) for job in started["jobs"]]
        after = await call(client, "Moments", {"videoId": sample.video_id})
        found = await call(client, "SemanticSearch", {"query": "baking"})

        assert {end["status"] for end in ends} == {"SUCCEEDED"}
        for moment in (*before["moments"]["nodes"], *after["moments"]["nodes"]):
            moment.pop("id")
        assert after["moments"] == before["moments"]
        texts = [hit["text"] for hit in found["hits"]]
        assert len(texts) == len(set(texts))
