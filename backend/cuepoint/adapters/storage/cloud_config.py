"""Buckets of Google Cloud Storage and containers of Azure, as the settings name them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cuepoint.adapters.storage.s3_objects import CONNECT_TIMEOUT, RETRIES, RETRY_TIMEOUT, TIMEOUT, BucketObjects
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore


def cloud_objects(settings: Settings) -> BucketObjects:
    """The objects of CUEPOINT_STORAGE_URL, which begins with gs:// or az://. The client is made at the first use.

    Raises CuepointError MISCONFIGURED when something is missing or cannot be read.
    """
    place = urlsplit(settings.storage_url or "")
    prefix = place.path.strip("/") or None
    if place.scheme == "gs":
        file = settings.gcs_credentials_file
        if file is not None and not file.is_file():
            raise CuepointError(
                ErrorCode.MISCONFIGURED,
                f"The service account of CUEPOINT_GCS_CREDENTIALS_FILE is not there: {file}.",
                hint="Name the JSON file of a service account that may read and write the bucket.",
            )
        return BucketObjects(partial(_open_gcs, place.netloc, prefix, None if file is None else str(file)))
    if settings.azure_account is None:
        raise CuepointError(
            ErrorCode.MISCONFIGURED,
            "CUEPOINT_STORAGE_URL names a container of Azure, but not whose.",
            hint="Set CUEPOINT_AZURE_ACCOUNT, and CUEPOINT_AZURE_ACCOUNT_KEY unless the machine itself is allowed in.",
        )
    return BucketObjects(partial(_open_azure, settings, place.netloc, prefix))


def _open_gcs(bucket: str, prefix: str | None, credentials: str | None) -> GCSStore:
    from obstore.store import GCSStore

    return GCSStore(
        bucket,
        prefix=prefix,
        config={} if credentials is None else {"service_account": credentials},
        # http:// only where the service account says so, of a server that stands in for Google's (gcs_base_url)
        client_options={"allow_http": True, "timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT},
        retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT},
    )


def _open_azure(settings: Settings, container: str, prefix: str | None) -> AzureStore:
    from obstore.store import AzureStore

    endpoint, key = settings.azure_endpoint, settings.azure_account_key
    return AzureStore(
        container,
        prefix=prefix,
        config={
            "account_name": settings.azure_account or "",
            **({"account_key": key.get_secret_value()} if key is not None else {}),
            **({"endpoint": endpoint} if endpoint is not None else {}),
        },
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "timeout": TIMEOUT,
            "connect_timeout": CONNECT_TIMEOUT,
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT},
    )
