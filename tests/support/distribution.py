"""How the processes of a run share the tests: by files, so that what a file needs is made once, the longest first."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

# Those that take longest (from 20 s to 5 s), so that no process has one of them left when the others have nothing. The
# end-to-end tests share one product: together they count as one file.
LONGEST = (
    "tests/e2e",
    "tests/adapters/media/test_hostile.py",
    "tests/cli/test_up.py",
    "tests/adapters/asr/test_whisper.py",
    "tests/adapters/media/test_render_form.py",
    "tests/adapters/media/test_smart_cut.py",
    "tests/adapters/media/test_clip_modes.py",
    "tests/adapters/media/test_render_clip.py",
    "tests/worker/test_death.py",
    "tests/contract/test_access_matrix.py",
    "tests/features/imports/test_ingest.py",
    "tests/embedded/test_stack.py",
    "tests/processes/test_child.py",
    "tests/features/jobs/test_concurrency.py",
    "tests/features/jobs/test_feed_faults.py",
    "tests/adapters/media/test_storyboard.py",
    "tests/features/videos/test_look_tasks.py",
)


class ByFile(LoadScopeScheduling):
    """A process takes a file at a time, whole, in the order of collection."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by the number of tests, which says little of their time

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """What the test shares its process with."""
    path = nodeid.partition("::")[0]
    return "tests/e2e" if path.startswith("tests/e2e/") else path


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests for `ByFile`; those of one file stay together."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(unit_of(item.nodeid), len(LONGEST)))
