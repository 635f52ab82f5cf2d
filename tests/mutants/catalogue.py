"""Every mutant: the guards of the job layer, one at a time."""

from __future__ import annotations

from tests.mutants import of_clients, of_feeds, of_functions, of_pipelines, of_workers
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *of_workers.FENCES,
    *of_workers.CLAIM,
    *of_workers.ENDS,
    *of_workers.TICKER,
    *of_workers.AHEAD,
    *of_workers.ONE_ATTEMPT,
    *of_workers.STOPS,
    *of_clients.CREATE,
    *of_clients.CANCEL,
    *of_clients.REPEATS,
    *of_functions.PLACES,
    *of_functions.UNBLOCK,
    *of_functions.CASCADE,
    *of_functions.RETRY,
    *of_functions.REVIVAL,
    *of_pipelines.EDGES,
    *of_pipelines.JOINED,
    *of_pipelines.FRESH,
    *of_pipelines.LOCKS,
    *of_feeds.FORGOTTEN,
)
