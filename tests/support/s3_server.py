"""An S3 server on a loopback port, as a process of its own; it knows multipart uploads and conditional writes."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO
from uuid import uuid4

import httpx2

from cuepoint.config import Settings, load_settings

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-access-key"


@dataclass(frozen=True)
class S3Server:
    """Where it listens, and a bucket in it."""

    url: str
    bucket: str

    def with_new_bucket(self) -> S3Server:
        """The same server with another, empty bucket."""
        # Without a hyphen: Google's client escapes one, which this server does not understand.
        made = S3Server(self.url, f"bucket{uuid4().hex[:12]}")
        httpx2.put(f"{made.url}/{made.bucket}", trust_env=False).raise_for_status()
        return made

    def environment(self, prefix: str) -> dict[str, str]:
        """The settings of a storage below that prefix."""
        return {
            "CUEPOINT_STORAGE_URL": f"s3://{self.bucket}/{prefix}",
            "CUEPOINT_S3_ENDPOINT": self.url,
            "CUEPOINT_S3_ACCESS_KEY_ID": ACCESS_KEY,
            "CUEPOINT_S3_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def settings(self, home: Any, prefix: str, more: Mapping[str, str] | None = None) -> Settings:
        """Settings of a process with that storage and no other need."""
        minimum = {"CUEPOINT_HOME": str(home), "CUEPOINT_MIN_FREE_BYTES": "0"}
        return load_settings(minimum | self.environment(prefix) | dict(more or {}))

    def client(self) -> Any:
        """The client that everybody uses, to look at the server from outside."""
        import boto3  # noqa: PLC0415  # a third of a second, and few tests need it

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )

    def names(self, prefix: str) -> list[str]:
        """Every object below the prefix, which is cut off."""
        with contextlib.closing(self.client()) as client:
            found = client.list_objects_v2(Bucket=self.bucket, Prefix=f"{prefix}/").get("Contents", [])
        return [entry["Key"].removeprefix(f"{prefix}/") for entry in found]

    def open_multiparts(self, prefix: str) -> int:
        """How many multipart uploads below the prefix were neither completed nor aborted."""
        with contextlib.closing(self.client()) as client:
            found = client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return sum(entry["Key"].startswith(f"{prefix}/") for entry in found)


def put_presigned(url: str, data: bytes) -> int:
    """The status of a PUT by the HTTP session of boto3, which has no call for a URL that somebody else has signed."""
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415  # with boto3
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415

    with contextlib.closing(URLLib3Session()) as session:
        return int(session.send(AWSRequest("PUT", url, data=data).prepare()).status_code)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A running server with one empty bucket."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = _address(process.stderr)
        # It writes a line for each request: into a pipe that nobody reads, until that is full.
        reading = threading.Thread(target=process.stderr.read, daemon=True)
        reading.start()
        yield S3Server(url, "").with_new_bucket()
        process.kill()
        reading.join()
    finally:
        process.kill()
        process.communicate()


def _address(output: TextIO) -> str:
    lines = []
    for line in output:
        lines.append(line)
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
        if found:
            return found.group(1)
    raise AssertionError(f"the S3 server did not start:\n{''.join(lines)}")
