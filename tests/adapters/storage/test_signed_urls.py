"""Signed URLs open one path for one method until they expire, and nothing else."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from cuepoint.adapters.storage.signed_urls import UrlSigner

PATH = "/media/clips/0190.mp4"
NOW = 1_700_000_000


@pytest.fixture
def signer() -> UrlSigner:
    return UrlSigner(b"k" * 32)


def signed(signer: UrlSigner, path: str = PATH, *, method: str = "GET") -> dict[str, str]:
    """The query of a URL that is good for a minute."""
    return dict(parse_qsl(signer.sign(path, expires_at=NOW + 60, method=method), strict_parsing=True))


class TestVerify:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_opens_what_was_signed(self, signer: UrlSigner, method: str) -> None:
        assert signer.verify(PATH, signed(signer), method=method, now=NOW)

    def test_other_parameters_do_not_matter(self, signer: UrlSigner) -> None:
        assert signer.verify(PATH, {**signed(signer), "download": "1"}, method="GET", now=NOW)

    def test_path_of_any_letters(self, signer: UrlSigner) -> None:
        path = "/media/Größe & co?/ｆ.mp4"

        assert signer.verify(path, signed(signer, path), method="GET", now=NOW)

    def test_ends_at_its_second(self, signer: UrlSigner) -> None:
        query = signed(signer)

        assert signer.verify(PATH, query, method="GET", now=NOW + 59.9)
        assert not signer.verify(PATH, query, method="GET", now=NOW + 60)

    @pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "get", ""])
    def test_other_methods_stay_shut(self, signer: UrlSigner, method: str) -> None:
        assert not signer.verify(PATH, signed(signer), method=method, now=NOW)

    def test_a_signed_method_opens_only_itself(self, signer: UrlSigner) -> None:
        query = signed(signer, method="PUT")

        assert signer.verify(PATH, query, method="PUT", now=NOW)
        assert not signer.verify(PATH, query, method="GET", now=NOW)
        assert not signer.verify(PATH, query, method="HEAD", now=NOW)

    @pytest.mark.parametrize("path", [PATH + "x", "/media/clips/0191.mp4", "", PATH + "\n"])
    def test_other_paths_stay_shut(self, signer: UrlSigner, path: str) -> None:
        assert not signer.verify(path, signed(signer), method="GET", now=NOW)

    def test_a_later_expiry_does_not_fit_the_signature(self, signer: UrlSigner) -> None:
        query = signed(signer)

        assert not signer.verify(PATH, {**query, "expires": str(NOW + 6000)}, method="GET", now=NOW)

    @pytest.mark.parametrize("expires", ["", "-1", "+1700000060", " 1700000060", "1e10", "٣", "9" * 5000, "inf"])
    def test_odd_expiry_is_refused(self, signer: UrlSigner, expires: str) -> None:
        assert not signer.verify(PATH, {**signed(signer), "expires": expires}, method="GET", now=NOW)

    @pytest.mark.parametrize("signature", ["", "x", "é", "\ud800", "A" * 43])
    def test_odd_signature_is_refused(self, signer: UrlSigner, signature: str) -> None:
        assert not signer.verify(PATH, {**signed(signer), "signature": signature}, method="GET", now=NOW)

    def test_no_query_is_refused(self, signer: UrlSigner) -> None:
        assert not signer.verify(PATH, {}, method="GET", now=NOW)

    def test_another_key_is_refused(self, signer: UrlSigner) -> None:
        assert not UrlSigner(b"j" * 32).verify(PATH, signed(signer), method="GET", now=NOW)


class TestAddress:
    def test_opens_from_the_address_that_it_was_signed_for(self, signer: UrlSigner) -> None:
        query = dict(parse_qsl(signer.sign(PATH, expires_at=NOW + 60, address="192.0.2.7")))

        assert signer.verify(PATH, query, method="HEAD", now=NOW, address="192.0.2.7")
        assert not signer.verify(PATH, query, method="GET", now=NOW, address="192.0.2.8")
        assert not signer.verify(PATH, query, method="GET", now=NOW)
        assert not signer.verify(PATH, signed(signer), method="GET", now=NOW, address="192.0.2.7")


class TestUrlSigner:
    def test_demands_a_key(self) -> None:
        with pytest.raises(ValueError, match="must not be empty"):
            UrlSigner(b"")

    def test_a_former_key_still_opens_and_signs_nothing(self) -> None:
        old, new = UrlSigner(b"k" * 32), UrlSigner(b"n" * 32, [b"o" * 32, b"k" * 32])

        assert new.verify(PATH, signed(old), method="GET", now=NOW)
        assert new.verify(PATH, signed(new), method="HEAD", now=NOW)
        assert not old.verify(PATH, signed(new), method="GET", now=NOW)

    def test_a_key_that_was_taken_off_the_list_opens_nothing(self) -> None:
        old, new = UrlSigner(b"k" * 32), UrlSigner(b"n" * 32)

        assert not new.verify(PATH, signed(old), method="GET", now=NOW)

    def test_demands_former_keys_too(self) -> None:
        with pytest.raises(ValueError, match="must not be empty"):
            UrlSigner(b"k" * 32, [b""])
