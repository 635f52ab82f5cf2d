"""The tools that open media in boxed children, as a worker has them."""

from __future__ import annotations

import pytest

from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings


@pytest.fixture(scope="module")
def tools() -> ChildMediaTools:
    """Probes, sound and clips."""
    return ChildMediaTools(Settings())


@pytest.fixture(scope="module")
def looks() -> ChildLookTools:
    """Pictures and maps."""
    return ChildLookTools(Settings())
