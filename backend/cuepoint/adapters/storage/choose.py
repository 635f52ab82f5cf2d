"""Which storage the settings ask for."""

from __future__ import annotations

from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.cloud import CloudStorage
from cuepoint.adapters.storage.cloud_config import cloud_objects
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.adapters.storage.s3 import S3Storage
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.config import Settings


def build_storage(settings: Settings) -> Storage:
    """A directory of this machine, or the bucket of CUEPOINT_STORAGE_URL. Raises CuepointError MISCONFIGURED."""
    free = settings.min_free_bytes
    if not settings.has_bucket():
        return LocalStorage(settings.storage_directory(), min_free_bytes=free)
    if settings.storage_url is not None and settings.storage_url.startswith("s3://"):
        return S3Storage(S3Config.of(settings), settings.home / "copies", min_free_bytes=free)
    return CloudStorage(cloud_objects(settings), settings.home, min_free_bytes=free)
