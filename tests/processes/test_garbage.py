"""The collector's rounds in processes that live long."""

from __future__ import annotations

import gc

from cuepoint.processes.garbage import frozen_garbage


class TestFrozenGarbage:
    def test_what_was_there_is_looked_at_no_more_until_it_is_left(self) -> None:
        before = gc.get_threshold()

        with frozen_garbage():
            inside = (gc.get_freeze_count() > 0, gc.get_threshold() != before)
        outside = (gc.get_freeze_count(), gc.get_threshold())

        assert inside == (True, True)
        assert outside == (0, before)
