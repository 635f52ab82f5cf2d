"""Where files lie in storage: `projects/<project>/<area>/<owner>/<slug>-<hash><suffix>`; pure.

Every part is made here, of ids, of a hash, and of a slug that holds nothing of a name but letters, digits and hyphens.
Releases before the areas had `projects/<project>/videos/<video>/...`; rows keep the key under which their file was
stored, so those files stay where they are.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from uuid import UUID

from cuepoint.features.files.hashes import is_hash
from cuepoint.features.files.models import FileArea

SLUG_LENGTH = 40
HASH_LENGTH = 12  # digits; the owner's id makes the key unique, this one tells versions and finds changed bytes
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}")
_HASH_IN_KEY = re.compile(rf"-([0-9a-f]{{{HASH_LENGTH}}})(?:\.[a-z0-9]{{1,10}})?$")


def slug(name: str, default: str = "video") -> str:
    """A harmless piece of a file name without its suffix: lower-case letters, digits, hyphens; `default` if empty."""
    return _NOT_SLUG.sub("-", PurePath(name).stem.lower()).strip("-")[:SLUG_LENGTH].strip("-") or default


def project_prefix(project_id: UUID) -> str:
    """Where every file of a project lies."""
    return f"projects/{project_id.hex}/"


def owner_prefixes(project_id: UUID, owner_id: UUID) -> list[str]:
    """Where files of one owner, such as a video, can lie: one prefix in each area, and the one of earlier releases."""
    project = project_prefix(project_id)
    areas = [f"{project}{area.value.lower()}/{owner_id.hex}/" for area in FileArea]
    return [*areas, f"{project}videos/{owner_id.hex}/"]


def file_key(project_id: UUID, area: FileArea, owner_id: UUID, name: str, content_hash: str, suffix: str = "") -> str:
    """The key of a file with these bytes. `name` is any text; `suffix` is ours, such as `.mp4`, or empty.

    Raises ValueError for a suffix or a hash that is none.
    """
    if suffix and not _SUFFIX.fullmatch(suffix):
        raise ValueError(f"not a suffix: {suffix!r}")
    if not is_hash(content_hash):
        raise ValueError(f"not a hash: {content_hash!r}")
    named = f"{slug(name, area.value.lower())}-{content_hash[:HASH_LENGTH]}{suffix}"
    return f"{project_prefix(project_id)}{area.value.lower()}/{owner_id.hex}/{named}"


def hash_in(key: str) -> str | None:
    """The first digits of the hash that the bytes under this key should have, BLAKE3 or, of earlier releases, SHA-256;
    None where the key has none."""
    found = _HASH_IN_KEY.search(key)
    return None if found is None else found.group(1)
