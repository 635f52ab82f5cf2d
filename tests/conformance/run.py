"""Run the public conformance suites against a product of their own: `make conformance`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.sample_product import run_against_sample

if __name__ == "__main__":
    node = ["node", "--test", "--test-concurrency=1", "--test-reporter=spec"]
    sys.exit(run_against_sample(node, Path(__file__).parent))
