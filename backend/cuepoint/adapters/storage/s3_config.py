"""Where an S3-compatible store is and how it is spoken to, read from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cuepoint.adapters.storage.sigv4 import Credentials, encoded
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode


@dataclass(frozen=True)
class S3Config:
    """One bucket of one server. `prefix` is empty or ends in `/`; to the addresses a `/` and the key are added."""

    bucket: str
    prefix: str
    endpoint: str
    address: str
    public_address: str | None
    credentials: Credentials
    is_path_style: bool
    ca_pem: str | None

    def url(self, path: str, *, is_public: bool = False) -> str:
        """The address of an object, `path` counted from the prefix."""
        address = self.public_address if is_public and self.public_address else self.address
        return f"{address}/{encoded(self.prefix + path, keep='/')}"

    def bucket_url(self) -> str:
        """The address of the bucket itself."""
        return f"{self.address}/"

    @staticmethod
    def of(settings: Settings) -> S3Config:
        """Raises CuepointError MISCONFIGURED when something is missing or cannot be read."""
        place = urlsplit(settings.storage_url or "")
        key, secret = settings.s3_access_key_id, settings.s3_secret_access_key
        if key is None or secret is None:
            raise CuepointError(
                ErrorCode.MISCONFIGURED,
                "CUEPOINT_STORAGE_URL names a bucket, but its credentials are missing.",
                hint="Set CUEPOINT_S3_ACCESS_KEY_ID and CUEPOINT_S3_SECRET_ACCESS_KEY.",
            )
        prefix = place.path.strip("/")
        endpoint = (settings.s3_endpoint or f"https://s3.{settings.s3_region}.amazonaws.com").rstrip("/")
        public, is_path_style = settings.s3_public_endpoint, settings.s3_path_style
        address = _address(endpoint, place.netloc, is_path_style=is_path_style)
        return S3Config(
            bucket=place.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=endpoint if is_path_style else address,  # what obstore wants to have
            address=address,
            public_address=public and _address(public, place.netloc, is_path_style=is_path_style),
            credentials=Credentials(key, secret.get_secret_value(), settings.s3_region),
            is_path_style=is_path_style,
            ca_pem=_read(settings.s3_ca_file) if settings.s3_ca_file else None,
        )


def _address(endpoint: str, bucket: str, *, is_path_style: bool) -> str:
    if is_path_style:
        return f"{endpoint.rstrip('/')}/{bucket}"
    scheme, _, host = endpoint.rstrip("/").partition("://")
    return f"{scheme}://{bucket}.{host}"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CuepointError(
            ErrorCode.MISCONFIGURED,
            f"The certificates of CUEPOINT_S3_CA_FILE cannot be read: {error}.",
            hint="Name a file of certificates in PEM form.",
        ) from error
