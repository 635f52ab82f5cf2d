"""What each job kind needs: lane, time, attempts, and what it waits for. The whole pipeline is readable here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cuepoint.features.jobs.models import JobKind

# Where the length of the media is not known yet (a pipeline is created before its probe has run), the time-out is
# that of the longest media a default instance accepts (CUEPOINT_MEDIA_MAX_DURATION_SECONDS): a slow machine must not
# lose a long job.
LONGEST_MEDIA_SECONDS = 43_200

LANES = ("cpu", "gpu", "io", "llm")  # what a job takes most of; the rows of the table `lanes`


@dataclass(frozen=True)
class JobSpec:
    """How jobs of one kind run.

    `timeout_seconds` bounds one attempt; `timeout_per_media_second` raises it for long media. `cost_seconds` is the
    expected run time, the job's share of its lane. `after` are the kinds it waits for in a pipeline; of those that
    are `is_optional` it waits for the end only, however that is.
    """

    title: str
    lane: str
    timeout_seconds: int
    timeout_per_media_second: float = 0.0
    max_attempts: int = 3
    cost_seconds: float = 30.0
    after: tuple[JobKind, ...] = ()
    is_in_pipeline: bool = False
    is_optional: bool = False

    def timeout_for(self, media_ms: int | None) -> int:
        """Seconds that one attempt may run on media of this length; None = unknown."""
        seconds = LONGEST_MEDIA_SECONDS if media_ms is None else media_ms / 1000
        return max(self.timeout_seconds, round(self.timeout_per_media_second * seconds))


SPECS: Mapping[JobKind, JobSpec] = {
    JobKind.PROBE: JobSpec("Read the file", "io", 300, cost_seconds=2, after=(JobKind.INGEST,), is_in_pipeline=True),
    JobKind.AUDIO_EXTRACTION: JobSpec(
        "Extract the audio", "cpu", 600, 0.5, cost_seconds=10, after=(JobKind.PROBE,), is_in_pipeline=True
    ),
    JobKind.TRANSCRIPTION: JobSpec(
        "Transcribe", "gpu", 3600, 4.0, cost_seconds=60, after=(JobKind.AUDIO_EXTRACTION,), is_in_pipeline=True
    ),
    JobKind.SEGMENTATION: JobSpec(
        "Cut into passages", "cpu", 300, cost_seconds=2, after=(JobKind.TRANSCRIPTION,), is_in_pipeline=True
    ),
    JobKind.EMBEDDING: JobSpec(
        "Embed the passages",
        "llm",
        1800,
        0.1,
        max_attempts=5,
        cost_seconds=10,
        after=(JobKind.SEGMENTATION,),
        is_in_pipeline=True,
    ),
    JobKind.MOMENT_GENERATION: JobSpec(
        "Find moments", "cpu", 600, 0.1, cost_seconds=5, after=(JobKind.EMBEDDING,), is_in_pipeline=True
    ),
    # For people who look: nothing waits for these, and a video without them is READY.
    JobKind.STORYBOARD: JobSpec(
        "Look through the pictures", "cpu", 900, 0.6, cost_seconds=20, after=(JobKind.PROBE,), is_in_pipeline=True
    ),
    JobKind.WAVEFORM: JobSpec(
        "Draw the sound", "cpu", 600, 0.6, cost_seconds=3, after=(JobKind.AUDIO_EXTRACTION,), is_in_pipeline=True
    ),
    JobKind.PROXY: JobSpec(
        "Make a copy for browsers", "cpu", 1200, 9.0, cost_seconds=60, after=(JobKind.PROBE,), is_in_pipeline=True
    ),
    JobKind.POSTER: JobSpec("Take a poster", "cpu", 600, cost_seconds=2),
    JobKind.AUDIO_EXPORT: JobSpec("Write the sound", "cpu", 900, 1.2, cost_seconds=20),
    JobKind.CLIP_EXTRACTION: JobSpec("Cut a clip", "cpu", 600, 1.0, cost_seconds=20),
    JobKind.REEL_RENDERING: JobSpec("Join a reel", "cpu", 7200, cost_seconds=60),
    # Comes before the pipeline of a video that is fetched. A download may take as long as CUEPOINT_FETCH_MAX_SECONDS
    # says by default; what a broken attempt has brought stays, so that more attempts than usual make sense.
    JobKind.INGEST: JobSpec("Fetch the file", "io", 7 * 3600, max_attempts=5, cost_seconds=30),
    JobKind.PLAYLIST_IMPORT: JobSpec("Read a playlist", "io", 900, cost_seconds=10),
    JobKind.UPLOAD_CHECK: JobSpec("Check an upload", "io", 7200, cost_seconds=20),
    JobKind.IMPORT_PASS: JobSpec("Look through a source", "io", 1800, cost_seconds=10),
    JobKind.VIDEO_DELETION: JobSpec("Delete the video", "io", 600, max_attempts=10, cost_seconds=5),
    JobKind.FILE_REMOVAL: JobSpec("Remove files", "io", 3600, max_attempts=1, cost_seconds=5),
    JobKind.RETENTION: JobSpec("Apply the rules of retention", "io", 3600, cost_seconds=5),
    JobKind.STORAGE_AUDIT: JobSpec("Compare files and rows", "io", 86_400, cost_seconds=60),
    JobKind.STORAGE_RECOUNT: JobSpec("Count what is stored", "io", 3600, cost_seconds=5),
    # As long as the jobs that it has to stop may take, and the largest project to remove.
    JobKind.PROJECT_DELETION: JobSpec("Delete the project", "io", 6 * 3600, max_attempts=10, cost_seconds=30),
    JobKind.STORAGE_WIPE: JobSpec("Give up the project's files", "io", 6 * 3600, max_attempts=10, cost_seconds=30),
    JobKind.MAINTENANCE: JobSpec("Tidy up", "io", 600, max_attempts=1, cost_seconds=5),
}

# Nothing can take them back: what they remove is hidden already, and would stay for ever without them.
DELETIONS = (JobKind.VIDEO_DELETION, JobKind.PROJECT_DELETION)
PIPELINE: tuple[JobKind, ...] = tuple(kind for kind, spec in SPECS.items() if spec.is_in_pipeline)


def dedupe_key(video_id: object, kind: JobKind) -> str:
    """Key under which a video has at most one unfinished job of a kind."""
    return f"video:{video_id}:{kind.value}"
