"""Operations known by their hash: those that clients registered (APQ), and the list that nothing may run beside."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from pathlib import Path

import orjson
from graphql import GraphQLSyntaxError, strip_ignored_characters

from cuepoint.api.errors import HttpError
from cuepoint.config import ConfigError
from cuepoint.errors import CuepointError, ErrorCode

# The store holds at most 256 texts of at most 32 kB: 8 MiB. A client whose text went sends it once more.
MAX_TEXTS = 256


class RegisteredTexts:
    """Automatic persisted queries as Apollo's clients speak them: the hash alone first, the text when it is unknown."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()

    def find(self, digest: str) -> str:
        """The text of a hash. Raises HttpError PERSISTED_QUERY_NOT_FOUND with the status 200 that Apollo expects."""
        text = self._texts.get(digest)
        if text is None:
            raise HttpError(200, "PersistedQueryNotFound", code=ErrorCode.PERSISTED_QUERY_NOT_FOUND)
        self._texts.move_to_end(digest)
        return text

    def keep(self, digest: str, text: str) -> None:
        """Remember a text whose hash was checked, once it has proved to be an operation that runs."""
        self._texts[digest] = text
        self._texts.move_to_end(digest)
        if len(self._texts) > MAX_TEXTS:
            self._texts.popitem(last=False)


class AllowedTexts:
    """The list of CUEPOINT_OPERATIONS_ALLOWLIST. Layout and comments do not matter, everything else does."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._by_digest = texts
        self._essences = {_essence(text) for text in texts.values()}
        self._texts = set(texts.values())

    def find(self, digest: str) -> str:
        """The listed text of a hash. Raises HttpError like `RegisteredTexts.find`."""
        text = self._by_digest.get(digest)
        if text is None:
            raise HttpError(200, "PersistedQueryNotFound", code=ErrorCode.PERSISTED_QUERY_NOT_FOUND)
        return text

    def check(self, text: str) -> None:
        """Raise CuepointError OPERATION_NOT_ALLOWED for a text that is not on the list."""
        try:
            is_listed = text in self._texts or _essence(text) in self._essences
        except GraphQLSyntaxError:
            is_listed = False
        if not is_listed:
            raise CuepointError(
                ErrorCode.OPERATION_NOT_ALLOWED,
                "This instance runs listed operations only. Ask its operator to add this one to the list "
                "(CUEPOINT_OPERATIONS_ALLOWLIST).",
            )


def digest_of(text: str) -> str:
    """The SHA-256 of an operation's text, as clients send it."""
    return sha256(text.encode()).hexdigest()


def load_allowlist(path: Path | None) -> AllowedTexts | None:
    """The list of the settings; None without one. Raises ConfigError for a path that holds no operations."""
    if path is None:
        return None
    try:
        texts = _of_directory(path) if path.is_dir() else _of_manifest(path)
        allowed = AllowedTexts(texts)
    except (OSError, ValueError, KeyError, TypeError, GraphQLSyntaxError) as error:
        raise ConfigError(f"CUEPOINT_OPERATIONS_ALLOWLIST: {path} cannot be read as operations ({error}).") from error
    if not texts:
        raise ConfigError(f"CUEPOINT_OPERATIONS_ALLOWLIST: {path} holds no operation.")
    return allowed


def _essence(text: str) -> str:
    return sha256(strip_ignored_characters(text).encode()).hexdigest()


def _of_directory(path: Path) -> dict[str, str]:
    texts = [file.read_text(encoding="utf-8") for file in sorted(path.rglob("*.graphql"))]
    return {digest_of(text): text for text in texts}


def _of_manifest(path: Path) -> dict[str, str]:
    """`{"operations": [{"id", "body"}]}`, as @apollo/generate-persisted-query-manifest writes it; or one .graphql."""
    if path.suffix == ".graphql":
        text = path.read_text(encoding="utf-8")
        return {digest_of(text): text}
    operations = orjson.loads(path.read_bytes())["operations"]
    return {operation["id"]: operation["body"] for operation in operations}
