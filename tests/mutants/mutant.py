"""What a mutant is: one guard of the job layer taken away, as a replacement of text in one file."""

from __future__ import annotations

import re
from dataclasses import dataclass

CLAIMS = "features/jobs/claims.py"
LEASES = "features/jobs/leases.py"
OUTAGES = "db/outages.py"
TRANSITIONS = "features/jobs/transitions.py"
JOINING = "features/jobs/joining.py"
PIPELINE = "features/jobs/pipeline.py"
FRESHNESS = "features/jobs/freshness.py"
LANE_SLOTS = "worker/lane_slots.py"
FETCHER = "worker/fetcher.py"
PROCESS = "worker/process.py"
WATCHES = "features/jobs/watches.py"
CURSORS = "features/jobs/cursors.py"
FEEDS = "features/jobs/feeds.py"
HUB = "features/jobs/hub.py"
CONTEXT = "features/jobs/context.py"
RUNNER = "worker/runner.py"
FUNCTIONS = "db/migrations/versions/0001_jobs.sql"

DRIVER = "tests/features/jobs/test_random_driver.py"
CONCURRENCY = "tests/features/jobs/test_concurrency.py"
OF_TRANSITIONS = "tests/features/jobs/test_transitions.py"
OF_CLAIMS = "tests/features/jobs/test_claims.py"
OF_LEASES = "tests/features/jobs/test_leases.py"
OF_PIPELINES = ("tests/features/jobs/test_pipeline.py",)
OF_FRESHNESS = ("tests/worker/test_freshness.py",)
OF_CLAIMS_AHEAD = ("tests/worker/test_lane_slots.py", "tests/worker/test_claims_ahead.py")
OF_ONE_ATTEMPT = ("tests/worker/test_one_attempt.py",)
OF_WATCHING = ("tests/features/jobs/test_hub.py",)
OF_FORGOTTEN = ("tests/features/jobs/test_cursors.py", "tests/features/jobs/test_forgotten_claims.py")
OF_LOCKS = ("tests/features/jobs/test_context.py",)
OF_STOPS = ("tests/worker/test_stopping.py",)
SLOW = (DRIVER, "tests/features/jobs/test_model.py", CONCURRENCY)
RACES = (CONCURRENCY,)
# The first failure ends a run: those first that ask for what a file does, the slow ones, which ask for all, last.
TESTS_OF = {
    CLAIMS: (OF_CLAIMS, OF_TRANSITIONS, OF_LEASES, *SLOW),
    LEASES: (OF_LEASES, OF_CLAIMS, OF_TRANSITIONS, *SLOW),
    TRANSITIONS: (OF_TRANSITIONS, OF_CLAIMS, OF_LEASES, *SLOW),
    FUNCTIONS: (OF_TRANSITIONS, OF_CLAIMS, OF_LEASES, *SLOW),
    JOINING: OF_PIPELINES,
    PIPELINE: OF_PIPELINES,
    FRESHNESS: OF_FRESHNESS,
    LANE_SLOTS: OF_CLAIMS_AHEAD,
    FETCHER: OF_CLAIMS_AHEAD,
    PROCESS: OF_ONE_ATTEMPT,
    WATCHES: OF_WATCHING,
    CURSORS: OF_FORGOTTEN,
    FEEDS: OF_FORGOTTEN,
    HUB: OF_FORGOTTEN,
    RUNNER: OF_STOPS,
    CONTEXT: OF_LOCKS,
}
ALL_TESTS = (
    *TESTS_OF[TRANSITIONS],
    *OF_PIPELINES,
    *OF_FRESHNESS,
    *OF_CLAIMS_AHEAD,
    *OF_ONE_ATTEMPT,
    *OF_WATCHING,
    *OF_FORGOTTEN,
    *OF_STOPS,
    *OF_LOCKS,
)

# Begins the next function, or the next statement that is a constant of its module.
_DEFINITION = re.compile(r"^(?:create function|async def|def|class|_?[A-Z_]+ = f?\"\"\")", re.MULTILINE)


class PatchError(Exception):
    """The text of a mutant is not in its file any more: the catalogue has to follow the code."""


@dataclass(frozen=True)
class Mutant:
    """`old` becomes `new` in the definition that begins with `within`. `file` is relative to the package."""

    name: str
    file: str
    within: str
    old: str
    new: str = ""
    only: tuple[str, ...] = ()  # the tests that can tell it, where those of its file cannot

    @property
    def tests(self) -> tuple[str, ...]:
        """The files of tests that it is given to, in order."""
        return self.only or TESTS_OF[self.file]

    def patched(self, text: str) -> str:
        """The file with the guard removed. Raises PatchError unless `old` is there exactly once."""
        if text.count(self.within) != 1:
            raise PatchError(f"{self.name}: {text.count(self.within)} times in {self.file}: {self.within!r}")
        start = text.index(self.within)
        following = _DEFINITION.search(text, start + len(self.within))
        end = following.start() if following else len(text)
        if text.count(self.old, start, end) != 1:
            found = text.count(self.old, start, end)
            raise PatchError(f"{self.name}: {found} times in {self.within!r} of {self.file}: {self.old!r}")
        at = text.index(self.old, start, end)
        return text[:at] + self.new + text[at + len(self.old) :]
