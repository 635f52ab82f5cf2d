"""Where the recogniser runs, and what it falls back to."""

from __future__ import annotations

import pytest

from cuepoint.adapters.asr.engine import device_choices


class TestDeviceChoices:
    @pytest.mark.parametrize(
        ("device", "compute_type", "cuda_devices", "choices"),
        [
            ("auto", "default", 0, [("cpu", "int8")]),
            ("auto", "default", 1, [("cuda", "float16"), ("cpu", "int8")]),
            ("auto", "float16", 2, [("cuda", "float16"), ("cpu", "int8")]),
            ("auto", "float32", 0, [("cpu", "float32")]),
            ("cpu", "default", 1, [("cpu", "int8")]),
            ("cuda", "default", 0, [("cuda", "float16")]),
            ("cuda", "int8_float16", 1, [("cuda", "int8_float16")]),
        ],
    )
    def test_what_is_tried_in_which_order(
        self, device: str, compute_type: str, cuda_devices: int, choices: list[tuple[str, str]]
    ) -> None:
        assert device_choices(device, compute_type, cuda_devices) == choices
