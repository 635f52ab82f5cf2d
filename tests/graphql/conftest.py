"""All tables, whatever a test imports by itself."""

from __future__ import annotations

import cuepoint.tables  # noqa: F401
