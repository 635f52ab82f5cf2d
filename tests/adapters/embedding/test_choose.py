"""Which embedder settings lead to, and what a process pays for one it does not use."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from cuepoint.adapters.embedding.choose import build_embedder
from cuepoint.adapters.embedding.fake import FakeEmbedder
from cuepoint.config import load_settings


class TestBuildEmbedder:
    def test_without_key_and_address_the_bundled_vectors(self) -> None:
        assert build_embedder(load_settings({})).space().provider == "static"

    def test_a_key_means_openai(self) -> None:
        space = build_embedder(load_settings({"CUEPOINT_OPENAI_API_KEY": "k"})).space()

        assert (space.provider, space.model) == ("openai", "text-embedding-3-small")

    def test_an_address_means_that_server_and_its_model(self) -> None:
        settings = load_settings(
            {"CUEPOINT_OPENAI_BASE_URL": "http://10.0.0.5:8000/v1", "CUEPOINT_EMBEDDING_MODEL": "bge-m3"}
        )

        space = build_embedder(settings).space()

        assert (space.provider, space.model) == ("10.0.0.5", "bge-m3")

    def test_the_openai_package_waits_for_its_first_call(self) -> None:
        code = (
            "import sys\n"
            "from cuepoint.adapters.embedding.choose import build_embedder\n"
            "from cuepoint.config import load_settings\n"
            "build_embedder(load_settings({'CUEPOINT_OPENAI_API_KEY': 'k'})).space()\n"
            "sys.exit('openai' in sys.modules)\n"
        )

        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestFakeEmbedder:
    async def test_texts_that_share_words_are_near(self) -> None:
        embedder = FakeEmbedder()

        red, also_red, blue, empty = await embedder.embed(["a red car", "one red car", "sky", ""])

        assert float(red @ also_red) > 0.5
        assert float(red @ blue) == 0.0
        assert np.isclose(np.linalg.norm(empty), 1)
        assert embedder.calls == [("a red car", "one red car", "sky", "")]
