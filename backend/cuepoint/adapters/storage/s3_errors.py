"""Errors of an object store in the words of the storage port; no address with a signature and no key gets into them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cuepoint.adapters.storage.refusals import full
from cuepoint.errors import AdapterError, CuepointError, ErrorCode

# Full buckets and disks: AWS has no such code; MinIO, Ceph and others answer 507 or one of these.
_FULL_CODES = ("XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "EntityQuotaExceeded")
_CREDENTIAL_CODES = (401, 403)


def unavailable(reason: str, *, retryable: bool = True) -> AdapterError:
    """The store did not do what was asked."""
    return AdapterError(
        ErrorCode.STORAGE_UNAVAILABLE,
        f"The object store does not work: {reason}. Check CUEPOINT_STORAGE_URL and the credentials that go with it.",
        retryable=retryable,
    )


def refused(status: int, code: str, reason: str) -> AdapterError | CuepointError:
    """What an answer of the store with an error status is told as."""
    if status == 507 or code in _FULL_CODES:
        return full(reason)
    if status in _CREDENTIAL_CODES:
        return unavailable(f"it refuses the credentials ({reason})", retryable=False)
    return unavailable(reason, retryable=False)


@contextmanager
def translated() -> Iterator[None]:
    """Errors of obstore and of connections become ours. An absent object is met inside, where it means something."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise refused(403, "", _first_line(error)) from error
    except (OSError, BaseError) as error:
        text = _first_line(error)
        if any(code in str(error) for code in _FULL_CODES):
            raise full(text) from error
        raise unavailable(text) from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]  # obstore appends pages of debug text
