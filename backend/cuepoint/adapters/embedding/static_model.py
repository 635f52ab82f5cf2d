"""The static-en model: a bag of WordNet-derived word vectors plus hashed letter n-grams, with numpy alone.

Vector of a text, float32, shape (1536,), L2 norm 1, compared by cosine:

    [0:256]      meaning: Σ coef[row, 0] · vectors[row] over content words and two-word terms, scaled to norm √s
    [256:1535]   letters: signed hashed 3- to 5-grams of each content word, scaled to norm √(1 − s)
    [1535]       1 only for a text without any word, so that no vector is zero

s = meaning_share · Σ SIF weight · trust / Σ SIF weight: names and misspelt words lean on letters. Word weights are SIF,
a / (a + p(word)) (Arora, Liang, Ma 2017); n-grams as fastText's subwords (Bojanowski et al. 2017). Word order is
ignored. Method, sources, quality and limits stand in MODEL_CARD.md beside the vectors.
"""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMS = 1536
BLOCK_TEXTS = 512  # texts encoded at a time: bounds the memory of one block to a few MB
CACHED_WORDS = 50_000  # distinct words; then the cache starts afresh
PIECE_LETTERS = 64  # longer tokens are cut, as n-grams of endless strings carry nothing
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_Rule = tuple[str, str, bool]  # suffix, its replacement, may a doubled consonant lose one (stopped -> stop)


class _Seen(NamedTuple):
    """A token met before."""

    number: int  # in the cache; -1: stop word
    lemma: str
    starts_term: bool  # may be the first word of a two-word term


class _Letters(NamedTuple):
    """The letters part of a cached word, and its weights."""

    buckets: NDArray[np.int64]
    values: NDArray[np.float32]
    weight: float  # SIF
    known: float  # SIF · trust


class StaticEmbedding:
    """Deterministic encoder; not thread-safe (it caches words): one instance per thread, or a lock."""

    def __init__(self, directory: Path) -> None:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        self._vectors: NDArray[np.int8] = np.load(directory / "vectors.npy", mmap_mode="r")  # (rows, 256)
        self._coef: NDArray[np.float32] = np.load(directory / "coef.npy")  # (rows, 2): scale · SIF weight, SIF weight
        self._lemmas = (directory / "vocab.txt").read_text(encoding="utf-8").split("\n")  # most frequent first
        self._row = {lemma: row for row, lemma in enumerate(self._lemmas)}
        self._heads = {lemma.split(" ")[0] for lemma in self._lemmas if " " in lemma}  # terms hold one space
        self._irregular: dict[str, str] = config["irregular"]
        self._stop = frozenset[str](config["stop"])
        self._inflections: list[_Rule] = config["inflections"]
        self._derivations: list[_Rule] = config["derivations"]
        self._share: float = config["meaning_share"]
        self._guess: float = config["guess_weight"]  # trust in a derived or misspelt word
        self._width = self._vectors.shape[1]
        self._letters = DIMS - self._width - 1
        self._reset()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), 1536)."""
        blocks = [self._encode_block(texts[at : at + BLOCK_TEXTS]) for at in range(0, len(texts), BLOCK_TEXTS)]
        return np.concatenate(blocks) if blocks else np.zeros((0, DIMS), np.float32)

    def _reset(self) -> None:
        self._ids: dict[str, int] = {}  # word or term -> number in the cache
        self._words: dict[str, _Seen] = {}
        self._meaning = np.zeros((1024, self._width), np.float32)  # (numbers, 256), weighted
        self._grams: list[_Letters] = []

    def _encode_block(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(self._ids) > CACHED_WORDS:
            self._reset()
        found = [self._text_ids(text) for text in texts]
        out = np.zeros((len(texts), DIMS), np.float32)
        if ids := [number for numbers in found for number in numbers]:
            owner = np.repeat(np.arange(len(texts)), [len(numbers) for numbers in found])
            self._add_words(out, ids, owner)
        out[~out.any(axis=1), -1] = 1
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)

    def _add_words(self, out: NDArray[np.float32], ids: list[int], owner: NDArray[np.int64]) -> None:
        """Fill both parts of `out`; word `ids[n]` belongs to text `owner[n]`, and owners ascend."""
        meaning, letters = out[:, : self._width], out[:, self._width : -1]
        start = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        meaning[owner[start]] = np.add.reduceat(self._meaning[ids], start, axis=0)
        words = [self._grams[number] for number in ids]
        offsets = np.repeat(owner * self._letters, [len(word.buckets) for word in words])
        at = np.concatenate([word.buckets for word in words]) + offsets
        values = np.concatenate([word.values for word in words])
        letters[:] = np.bincount(at, values, letters.size).reshape(letters.shape)
        weight = np.bincount(owner, [word.weight for word in words], len(out))
        known = np.bincount(owner, [word.known for word in words], len(out))
        share = self._share * (known / np.maximum(weight, 1e-12))[:, None]
        for part, norm in ((meaning, share), (letters, 1 - share)):
            scale = norm**0.5 / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
            np.multiply(part, scale, out=part, casting="same_kind")

    def _text_ids(self, text: str) -> list[int]:
        tokens = tokenize(text)
        seen = [self._words.get(token) or self._see(token) for token in tokens]
        ids = [word.number for word in seen if word.number >= 0]
        for n in range(len(seen) - 1):
            if seen[n].starts_term:  # a term, also from an inflected last or first word
                first, second = tokens[n], tokens[n + 1]
                terms = (f"{first} {second}", f"{first} {seen[n + 1].lemma}", f"{seen[n].lemma} {second}")
                ids += [self._id(term, "") for term in terms if term in self._row][:1]
        return ids or [self._id(token, token) for token in tokens]

    def _see(self, token: str) -> _Seen:
        row = self._known(token)
        lemma = token if row is None else self._lemmas[row]
        number = -1 if token in self._stop else self._id(token, token)
        return self._words.setdefault(token, _Seen(number, lemma, not self._heads.isdisjoint((token, lemma))))

    def _id(self, key: str, letters: str) -> int:
        """Number of a word or term in the cache, where it is entered at its first use."""
        if (number := self._ids.get(key)) is not None:
            return number
        number = self._ids[key] = len(self._grams)
        if number == len(self._meaning):
            self._meaning = np.concatenate([self._meaning, np.zeros_like(self._meaning)])
        row, trust = self._resolve(key)
        weight, known = 1.0, 0.0
        if row is not None:
            self._meaning[number] = self._vectors[row] * (self._coef[row, 0] * trust)
            weight = float(self._coef[row, 1])
            known = weight * trust
        self._grams.append(_Letters(*hash_ngrams(letters, self._letters, weight), weight, known))
        return number

    def _resolve(self, word: str) -> tuple[int | None, float]:
        """Row of a word, and trust in it: the word itself, inflected, derived, or misspelt by one edit."""
        if (row := self._known(word)) is not None or word in self._stop:
            return row, 1.0
        if (row := self._by_rules(word, self._derivations, 3)) is not None:
            return row, self._guess
        near = edits(word) if 4 <= len(word) <= 20 and word.isascii() and word.isalpha() else set()
        rows = [(guess[0] != word[0], row) for guess in near if (row := self._known(guess)) is not None]
        return (min(rows)[1] if rows else None), self._guess

    def _known(self, word: str) -> int | None:
        row = self._row.get(self._irregular.get(word, word))
        return self._by_rules(word, self._inflections, 2) if row is None else row

    def _by_rules(self, word: str, rules: list[_Rule], least: int) -> int | None:
        """Row of the first lemma that a suffix rule yields, if at least `least` letters are left."""
        for suffix, replacement, undouble in rules:
            if word.endswith(suffix) and len(word) - len(suffix) >= least:
                stem = word[: -len(suffix)]
                row = self._row.get(stem + replacement)
                if row is None and undouble and stem[-1] == stem[-2:-1]:
                    row = self._row.get(stem[:-1])
                if row is not None:
                    return row
        return None


def tokenize(text: str) -> list[str]:
    """Lower-case words without accents; cut at an apostrophe (don't -> don) and, if longer, into pieces of 64."""
    plain = unicodedata.normalize("NFKD", text.lower())
    if not plain.isascii():
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = (re.split("['’]", token, maxsplit=1)[0] for token in _TOKEN.findall(plain))
    return [word[at : at + PIECE_LETTERS] for word in words for at in range(0, len(word), PIECE_LETTERS)]


def hash_ngrams(word: str, buckets: int, weight: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Buckets, and values ±weight/√n, of the n 3- to 5-grams of '<word>'; bucket and sign from CRC-32 of UTF-8."""
    marked = f"<{word}>" if word else ""
    hashes = [zlib.crc32(marked[at : at + n].encode()) for n in (3, 4, 5) for at in range(len(marked) - n + 1)]
    sign = np.array([1 if value >> 31 else -1 for value in hashes], np.float32)
    scale = np.float32(weight / max(len(hashes), 1) ** 0.5)
    return np.array([value % buckets for value in hashes], np.int64), sign * scale


def edits(word: str) -> set[str]:
    """All strings one deletion, transposition, replacement or insertion away (Norvig 2007)."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    changed = {head + letter + tail[skip:] for head, tail in cuts for letter in _LETTERS for skip in (0, 1)}
    shorter = {head + tail[1:] for head, tail in cuts if tail}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    return changed | shorter | swapped
