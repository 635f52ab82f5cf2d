"""What people type - names, addresses, passwords, ends - checked and cleaned."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from cuepoint.errors import BadInputError

MAX_NAME = 200
MAX_EMAIL = 254  # RFC 5321: a path has 256 characters, two of them the angle brackets
# NIST SP 800-63B-4, section 3.1.1.2, asks for 15 where the password is all there is and 8 beside a second factor; this
# lies between, as guesses are locked out. No rules on characters, and room for passphrases.
MIN_PASSWORD = 10
MAX_PASSWORD = 256
# ZWNJ and ZWJ: they change how letters of other scripts than Latin, Greek and Cyrillic are written, and how emoji are.
_JOINED = re.compile("(?<=[\u0530-\u1dff\u2100-\U0010ffff])[\u200c\u200d](?=[\u0530-\u1dff\u2100-\U0010ffff])")


def clean_name(name: str, field: str = "name", *, most: int = MAX_NAME) -> str:
    """The name without needless spaces. Raises BadInputError, also for characters that nobody sees: they turn or hide
    what stands beside them, so that one name looks like another."""
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= most or "\x00" in cleaned:
        raise BadInputError(f"The name must have 1 to {most} characters.", field=(field,))
    if any(_is_unseen(character) for character in _JOINED.sub("", cleaned)):
        raise BadInputError("The name holds characters that cannot be seen; type it anew.", field=(field,))
    return cleaned


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def clean_email(email: str) -> str:
    """The address as it is kept. Raises BadInputError for what is none."""
    cleaned = email.strip()
    local, _, domain = cleaned.partition("@")
    is_odd = any(c.isspace() or c == "\x00" or _is_unseen(c) for c in cleaned)
    if not local or not domain or len(cleaned) > MAX_EMAIL or is_odd:
        raise BadInputError("This is not an e-mail address; it must look like name@example.org.", field=("email",))
    return cleaned


def check_password(password: str, field: str) -> None:
    """Raises BadInputError for a password that is too short, too long or of one character alone."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise BadInputError(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.", field=(field,))
    if len(set(password)) < 4:
        raise BadInputError("The password repeats the same characters; choose another one.", field=(field,))


def check_expiry(expires_at: datetime | None) -> None:
    """Raises BadInputError for a time that is over."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise BadInputError("expiresAt must lie ahead.", field=("expiresAt",))
