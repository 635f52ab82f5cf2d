"""Which model a setting names, and what is said when it is not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from cuepoint.adapters.asr.model_files import (
    DEMO_MODEL,
    HUB_REPOSITORIES,
    ModelSource,
    find_model,
    missing_files,
    model_key,
)
from cuepoint.errors import CuepointError, ErrorCode


@pytest.fixture
def model_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO_MODEL, tmp_path / "my-model"))


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cache_size(hub_cache: Path, size: str) -> Path:
    """Lay the demo model into a hub cache as if it were that size."""
    repository = hub_cache / f"models--{HUB_REPOSITORIES[size].replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    return Path(shutil.copytree(DEMO_MODEL, repository / "snapshots" / "c0ffee"))


class TestFindModel:
    def test_nothing_means_the_bundled_demo(self) -> None:
        source = find_model(None, downloads=False)

        assert source == ModelSource("whisper-demo", DEMO_MODEL)
        assert source.is_demo

    def test_a_directory_with_a_whole_model(self, model_copy: Path) -> None:
        source = find_model(str(model_copy), downloads=False)

        assert source == ModelSource("my-model", model_copy)
        assert not source.is_demo

    def test_a_directory_that_lacks_files(self, model_copy: Path) -> None:
        (model_copy / "tokenizer.json").unlink()
        (model_copy / "vocabulary.json").unlink()

        with pytest.raises(CuepointError) as refused:
            find_model(str(model_copy), downloads=False)

        assert refused.value.code is ErrorCode.MODEL_NOT_FOUND
        assert refused.value.message == (
            f"The speech model directory {model_copy} lacks tokenizer.json, vocabulary.json (or vocabulary.txt)."
        )
        assert refused.value.hint is not None
        assert "CUEPOINT_WHISPER_MODEL" in refused.value.hint

    @pytest.mark.parametrize("setting", ["/nowhere/at/all", "huge", "some/repository"])
    def test_anything_else_is_not_found(self, setting: str) -> None:
        with pytest.raises(CuepointError) as refused:
            find_model(setting, downloads=True)

        assert refused.value.code is ErrorCode.MODEL_NOT_FOUND
        assert refused.value.message == (
            f"CUEPOINT_WHISPER_MODEL is {setting!r}, which is neither a directory nor a known size."
        )

    def test_a_size_that_is_not_here_may_not_be_fetched(self, hub_cache: Path) -> None:
        with pytest.raises(CuepointError) as refused:
            find_model("small", downloads=False)

        assert refused.value.code is ErrorCode.MODEL_NOT_FOUND
        assert "CUEPOINT_WHISPER_MODEL is 'small'" in refused.value.message
        assert "CUEPOINT_MODEL_DOWNLOADS is off" in refused.value.message

    def test_a_size_that_is_not_here_may_be_fetched(self, hub_cache: Path) -> None:
        source = find_model("small", downloads=True)

        assert source == ModelSource("small", None, "Systran/faster-whisper-small")

    def test_a_size_in_the_local_cache(self, hub_cache: Path) -> None:
        directory = cache_size(hub_cache, "small")

        assert find_model("small", downloads=False) == ModelSource("small", directory, "Systran/faster-whisper-small")

    def test_half_a_download_is_not_a_model(self, hub_cache: Path) -> None:
        (cache_size(hub_cache, "small") / "model.bin").unlink()

        assert find_model("small", downloads=True).directory is None
        with pytest.raises(CuepointError):
            find_model("small", downloads=False)


class TestMissingFiles:
    def test_an_empty_directory_lacks_all(self, tmp_path: Path) -> None:
        assert missing_files(tmp_path) == [
            "model.bin",
            "config.json",
            "tokenizer.json",
            "vocabulary.json (or vocabulary.txt)",
        ]


class TestModelKey:
    def test_it_follows_the_content_not_the_place(self, model_copy: Path) -> None:
        demo = model_key(ModelSource("a", DEMO_MODEL), device="auto", compute_type="default")
        copy = model_key(ModelSource("b", model_copy), device="auto", compute_type="default")

        assert demo == copy
        assert len(demo) == 64

    @pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
    def test_another_content_is_another_key(self, model_copy: Path, name: str) -> None:
        before = model_key(ModelSource("a", model_copy), device="auto", compute_type="default")
        content = bytearray((model_copy / name).read_bytes())
        content[-1] ^= 1
        (model_copy / name).write_bytes(content)

        assert model_key(ModelSource("a", model_copy), device="auto", compute_type="default") != before

    def test_another_compute_type_is_another_key(self) -> None:
        source = ModelSource("a", DEMO_MODEL)

        keys = {model_key(source, device="cpu", compute_type=kind) for kind in ("default", "int8", "float32")}

        assert len(keys) == 3

    def test_a_model_yet_to_be_fetched_has_a_key(self) -> None:
        source = ModelSource("small", None, "Systran/faster-whisper-small")

        assert len(model_key(source, device="cpu", compute_type="int8")) == 64
