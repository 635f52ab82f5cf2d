"""Every error that Cuepoint raises on purpose, and the closed list of codes that clients can rely on.

CuepointError                  refused: bad input, not found, a rule of the product (never retried)
├── NotFoundError              absent, or not visible to the caller: the two answer alike
├── ForbiddenError             the caller sees the object but may not do this
├── RetryLaterError            refused for now; says when the same request can succeed
│   ├── RateLimitedError       too much at once
│   ├── QueueFullError         too much work waits already
│   ├── LockedError            too many failed sign-ins
│   └── DatabaseAwayError      Postgres is away, or has no connection free
├── QuotaExceededError         more than a quota allows; says which, and how much of it is taken
└── UnauthenticatedError       no credential, or one that is wrong, expired or revoked
AdapterError                   the outside world failed; `retryable` says whether trying again can help
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import ClassVar


class ErrorCode(Enum):
    """Closed list of codes. Values are the names clients see; meaning and cure stand in docs/errors.md."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    RATE_LIMITED = "RATE_LIMITED"
    QUERY_TOO_DEEP = "QUERY_TOO_DEEP"
    QUERY_TOO_COSTLY = "QUERY_TOO_COSTLY"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    OPERATION_NOT_ALLOWED = "OPERATION_NOT_ALLOWED"
    INTERNAL = "INTERNAL"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    EMAIL_TAKEN = "EMAIL_TAKEN"
    LAST_ADMIN = "LAST_ADMIN"
    OWNS_PROJECTS = "OWNS_PROJECTS"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    SIGN_IN_LOCKED = "SIGN_IN_LOCKED"
    SESSION_ENDED = "SESSION_ENDED"
    LAST_OWNER = "LAST_OWNER"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    PROJECT_ARCHIVED = "PROJECT_ARCHIVED"
    NAME_TAKEN = "NAME_TAKEN"
    EXTERNAL_ID_TAKEN = "EXTERNAL_ID_TAKEN"
    FILES_REMOVED = "FILES_REMOVED"
    SHARE_PASSWORD_WRONG = "SHARE_PASSWORD_WRONG"  # noqa: S105 (a code)
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    ALREADY_FINAL = "ALREADY_FINAL"
    NOT_RETRYABLE = "NOT_RETRYABLE"
    DEPENDENCY_FAILED = "DEPENDENCY_FAILED"
    JOB_CANCELLED = "JOB_CANCELLED"
    DUPLICATE_JOB = "DUPLICATE_JOB"
    NOT_FINAL = "NOT_FINAL"
    HAS_DEPENDANTS = "HAS_DEPENDANTS"
    QUEUE_FULL = "QUEUE_FULL"
    UPLOAD_TOO_LARGE = "UPLOAD_TOO_LARGE"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"
    UPLOAD_ALREADY_USED = "UPLOAD_ALREADY_USED"
    DUPLICATE_VIDEO = "DUPLICATE_VIDEO"
    UPLOAD_EXPIRED = "UPLOAD_EXPIRED"
    OFFSET_MISMATCH = "OFFSET_MISMATCH"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    INSUFFICIENT_STORAGE = "INSUFFICIENT_STORAGE"
    UNSUPPORTED_MEDIA = "UNSUPPORTED_MEDIA"
    MEDIA_TRUNCATED = "MEDIA_TRUNCATED"
    MEDIA_LIMIT_EXCEEDED = "MEDIA_LIMIT_EXCEEDED"
    NOT_READY = "NOT_READY"
    RANGE_OUTSIDE_MEDIA = "RANGE_OUTSIDE_MEDIA"
    RENDER_FAILED = "RENDER_FAILED"
    CONFLICTING_OPTIONS = "CONFLICTING_OPTIONS"
    TEXT_NOT_FOUND = "TEXT_NOT_FOUND"
    AMBIGUOUS_TEXT = "AMBIGUOUS_TEXT"
    FONT_MISSING_GLYPHS = "FONT_MISSING_GLYPHS"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    MODEL_FAILED = "MODEL_FAILED"
    PROVIDER_REJECTED = "PROVIDER_REJECTED"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_RATE_LIMITED = "PROVIDER_RATE_LIMITED"
    PROVIDER_BAD_RESPONSE = "PROVIDER_BAD_RESPONSE"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    URL_FORBIDDEN = "URL_FORBIDDEN"
    SOURCE_LOGIN_REQUIRED = "SOURCE_LOGIN_REQUIRED"
    SOURCE_BOT_CHECK = "SOURCE_BOT_CHECK"
    SOURCE_GEO_BLOCKED = "SOURCE_GEO_BLOCKED"
    SOURCE_GONE = "SOURCE_GONE"
    SOURCE_TOO_LARGE = "SOURCE_TOO_LARGE"
    SOURCE_TIMEOUT = "SOURCE_TIMEOUT"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    CHILD_CRASHED = "CHILD_CRASHED"
    JOB_TIMEOUT = "JOB_TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    MISCONFIGURED = "MISCONFIGURED"


class CuepointError(Exception):
    """A refusal that the caller can act on. `field` is the path into the mutation's input, if one is to blame."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: tuple[str, ...] = (),
        retryable: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retryable = retryable
        self.hint = hint


class NotFoundError(CuepointError):
    """Absent or invisible: one text for both, so that the answer is no oracle."""

    def __init__(self, noun: str, *, field: tuple[str, ...] = ()) -> None:
        super().__init__(
            ErrorCode.NOT_FOUND,
            f"No such {noun}, or you may not see it. Check the id and the project you are a member of.",
            field=field,
        )
        self.noun = noun


class MissingFileError(NotFoundError):
    """A file that the database knows of is not in the storage."""

    def __init__(self) -> None:
        CuepointError.__init__(
            self,
            ErrorCode.NOT_FOUND,
            "A stored file that this needs is no longer in the storage.",
            hint="auditStorage lists what is missing. Put it back from a backup, or upload the video again.",
        )
        self.noun = "stored file"


class ForbiddenError(CuepointError):
    """The caller sees the object but lacks the right to do this with it."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.FORBIDDEN, message)


class UnauthenticatedError(CuepointError):
    """No valid credential came with the request."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.UNAUTHENTICATED, message)


class RetryLaterError(CuepointError):
    """Refused for now. `retry_after_seconds` is when the same request can succeed."""

    because: ClassVar[ErrorCode]

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(self.because, message, retryable=True)
        self.retry_after_seconds = retry_after_seconds


class RateLimitedError(RetryLaterError):
    """Too much at once."""

    because = ErrorCode.RATE_LIMITED


class QueueFullError(RetryLaterError):
    """Too much work waits already: room is expected again then."""

    because = ErrorCode.QUEUE_FULL


class LockedError(RetryLaterError):
    """Too many failed sign-ins: the next attempt is looked at then."""

    because = ErrorCode.SIGN_IN_LOCKED


class DatabaseAwayError(RetryLaterError):
    """Postgres is away, or has no connection free. Of a commit that broke off nobody knows whether it went through."""

    because = ErrorCode.DATABASE_UNAVAILABLE


class QuotaScope(Enum):
    """For whom a quota holds."""

    INSTANCE = "INSTANCE"
    PROJECT = "PROJECT"
    USER = "USER"


class QuotaLimit(Enum):
    """What a quota limits."""

    STORAGE_BYTES = "STORAGE_BYTES"
    MEDIA_MINUTES_PER_MONTH = "MEDIA_MINUTES_PER_MONTH"
    CONCURRENT_JOBS = "CONCURRENT_JOBS"
    TOKENS_PER_MONTH = "TOKENS_PER_MONTH"
    COST_PER_MONTH = "COST_PER_MONTH"


@dataclass(frozen=True)
class QuotaExcess:
    """A quota that something would pass, in the unit of its limit; `reserved` counts what was asked for."""

    scope: QuotaScope
    what: QuotaLimit
    limit: float
    used: float
    reserved: float
    resets_at: datetime | None


class QuotaExceededError(CuepointError):
    """More than a quota allows. `excess` has the figures."""

    def __init__(self, message: str, excess: QuotaExcess) -> None:
        super().__init__(ErrorCode.QUOTA_EXCEEDED, message)
        self.excess = excess


class BadInputError(CuepointError):
    """The input breaks a rule that stands in the SDL or in the message."""

    def __init__(self, message: str, *, field: tuple[str, ...] = ()) -> None:
        super().__init__(ErrorCode.BAD_USER_INPUT, message, field=field)


class AdapterError(Exception):
    """A third party failed. `retry_after_seconds` is what it asked for (429), else None."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retryable: bool,
        retry_after_seconds: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.detail = detail
