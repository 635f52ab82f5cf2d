"""Run the node clients against a product of their own: `make test-clients`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.sample_product import run_against_sample

if __name__ == "__main__":
    # One file after the other: all of them start jobs of the one sample video.
    node = ["node", "--test", "--test-concurrency=1", "--test-reporter=spec"]
    sys.exit(run_against_sample(node, Path(__file__).parent))
