"""The bundled static vectors: equal to the reference, normalised, safe to call from many tasks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cuepoint.adapters.embedding.base import DIMENSIONS, SpaceInfo
from cuepoint.adapters.embedding.static import MIN_SCORE, MODEL_DIRECTORY, StaticEmbedder
from cuepoint.adapters.embedding.static_model import StaticEmbedding, edits, tokenize


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """What the reference implementation gave for ten sentences."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("static_en_vectors.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def model() -> StaticEmbedding:
    return StaticEmbedding(MODEL_DIRECTORY)


class TestEncode:
    def test_equals_the_reference(self, model: StaticEmbedding, reference: dict[str, Any]) -> None:
        tolerance = reference["tolerance"]

        vectors = model.encode(reference["sentences"])

        assert np.allclose(vectors[:, :8], reference["meaning_first_8"], atol=tolerance)
        assert np.allclose(vectors @ vectors.T, reference["cosine"], atol=tolerance)
        for vector, expected in zip(vectors, reference["letters_first_8_nonzero"], strict=True):
            letters = vector[256:-1]
            found = [[256 + int(at), float(letters[at])] for at in np.flatnonzero(letters)[:8]]
            assert np.allclose(found, expected, atol=tolerance)

    def test_text_without_any_word_has_a_direction_of_its_own(self, model: StaticEmbedding) -> None:
        vectors = model.encode(["", " \n", "?!", "\ud800"])

        assert vectors[:, -1].tolist() == [1.0] * 4

    def test_does_not_depend_on_what_was_encoded_before_or_beside(self, model: StaticEmbedding) -> None:
        texts = [f"sentence number {n} about a blue car" for n in range(600)]  # more than one block

        together = model.encode(texts)

        alone = StaticEmbedding(MODEL_DIRECTORY).encode([texts[599]])[0]
        assert np.allclose(together[599], alone, atol=1e-6)

    def test_no_texts_give_no_rows(self, model: StaticEmbedding) -> None:
        assert model.encode([]).shape == (0, DIMENSIONS)

    def test_starts_its_cache_afresh_when_it_is_full(
        self, model: StaticEmbedding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = model.encode(["the mechanic repairs the engine"])
        monkeypatch.setattr("cuepoint.adapters.embedding.static_model.CACHED_WORDS", 3)

        after = model.encode(["the mechanic repairs the engine"])

        assert np.array_equal(before, after)


class TestTokenize:
    def test_lower_case_without_accents_cut_at_apostrophes(self) -> None:
        assert tokenize("Zürich's café, don’t_know 42") == ["zurich", "cafe", "don", "know", "42"]

    def test_cuts_endless_words(self) -> None:
        assert [len(piece) for piece in tokenize("x" * 130)] == [64, 64, 2]


class TestEdits:
    def test_holds_each_kind_of_slip(self) -> None:
        assert {"rocket", "rocke", "rockets", "rokcet", "socket"} <= edits("rocket")


class TestStaticEmbedder:
    def test_names_its_space(self) -> None:
        assert StaticEmbedder().space() == SpaceInfo("static", "static-en-1", 1536, MIN_SCORE)

    async def test_paraphrase_is_above_the_threshold_and_the_unrelated_below(self) -> None:
        embedder = StaticEmbedder()

        engine, motor, fever = await embedder.embed(
            [
                "The mechanic is repairing the engine of an old car.",
                "Someone fixes a broken motor.",
                "Bake the bread for an hour.",
            ]
        )

        assert float(engine @ motor) > MIN_SCORE > float(engine @ fever)

    async def test_many_tasks_at_once_get_what_one_gets(self) -> None:
        embedder = StaticEmbedder()
        texts = [f"the {word} near the river" for word in ("bank", "boat", "bridge", "heron", "mill", "willow")]
        alone = [(await StaticEmbedder().embed([text]))[0] for text in texts]

        together = await asyncio.gather(*(embedder.embed([text]) for text in texts * 10))

        assert all(np.array_equal(vectors[0], alone[n % 6]) for n, vectors in enumerate(together))

    async def test_vectors_are_float32_of_unit_length(self) -> None:
        vectors = await StaticEmbedder().embed(["one two", "three", ""])

        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)

    async def test_goes_on_after_close(self) -> None:
        embedder = StaticEmbedder()
        before = await embedder.embed(["a boat"])

        await embedder.close()

        assert np.array_equal(await embedder.embed(["a boat"]), before)


class TestPackageData:
    def test_carries_its_card_and_the_licence_of_wordnet(self) -> None:
        assert {path.name for path in MODEL_DIRECTORY.iterdir()} == {
            "LICENSE.wordnet.txt",
            "MODEL_CARD.md",
            "coef.npy",
            "config.json",
            "vectors.npy",
            "vocab.txt",
        }
