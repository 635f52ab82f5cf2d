"""Signatures against the examples of Amazon's documentation, and against the library that everybody uses."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from cuepoint.adapters.storage.sigv4 import Credentials, presigned_url, query_string, signed_headers

# docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and sigv4-query-string-auth.html
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
EXAMPLE_TIME = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = hashlib.sha256(b"").hexdigest()


class TestSignedHeaders:
    def test_the_example_of_a_range(self) -> None:
        url = "https://examplebucket.s3.amazonaws.com/test.txt"

        headers = signed_headers(EXAMPLE, "GET", url, {"Range": "bytes=0-9"}, EMPTY, EXAMPLE_TIME)

        assert headers["authorization"] == (
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        )

    def test_the_example_of_an_empty_parameter(self) -> None:
        url = f"https://examplebucket.s3.amazonaws.com/?{query_string({'lifecycle': ''})}"

        headers = signed_headers(EXAMPLE, "GET", url, {}, EMPTY, EXAMPLE_TIME)

        signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        assert headers["authorization"].endswith(f"Signature={signature}")

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/bucket/a%2Bb%3Dc%40d", {"partNumber": "1", "uploadId": "x/y+z="}),
            ("/bucket/uploads/1/whole-2", {"uploads": ""}),
            ("/bucket/", {"uploads": "", "prefix": "uploads/1/"}),
        ],
    )
    def test_is_what_botocore_signs(self, path: str, query: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        url = f"https://s3.example.org:9000{path}?{query_string(query)}"
        digest = hashlib.sha256(b"part").hexdigest()
        now = datetime.now(UTC)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now)
        request = AWSRequest("PUT", url, headers={"content-length": "4", "x-amz-content-sha256": digest}, data=b"part")
        S3SigV4Auth(BotoCredentials("key", "secret"), "s3", "eu-central-1").add_auth(request)

        ours = signed_headers(
            Credentials("key", "secret", "eu-central-1"), "PUT", url, {"content-length": "4"}, digest, now
        )

        assert (
            ours["authorization"].rpartition("Signature=")[2]
            == (request.headers["Authorization"].rpartition("Signature=")[2])
        )


class TestPresignedUrl:
    def test_the_example(self) -> None:
        url = presigned_url(EXAMPLE, "GET", "https://examplebucket.s3.amazonaws.com/test.txt", {}, 86_400, EXAMPLE_TIME)

        signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        assert url.endswith(f"&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}")


class TestCredentials:
    def test_the_secret_is_not_shown(self) -> None:
        assert "wJalr" not in repr(EXAMPLE)
