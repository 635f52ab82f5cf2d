from __future__ import annotations

from ipaddress import ip_address

import pytest

from cuepoint.adapters.fetch.addresses import AddressPolicy, is_denied
from cuepoint.errors import CuepointError, ErrorCode

INTERNAL = (
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2606:4700::5efe:8.8.8.8",
)


class TestIsDenied:
    @pytest.mark.parametrize("address", INTERNAL)
    def test_internal_addresses_are(self, address: str) -> None:
        assert is_denied(ip_address(address)) is True

    @pytest.mark.parametrize("address", PUBLIC)
    def test_public_addresses_are_not(self, address: str) -> None:
        assert is_denied(ip_address(address)) is False


class TestAddressPolicy:
    def test_public_address_at_a_usual_port_passes(self) -> None:
        policy = AddressPolicy.of([80, 443], [])

        policy.check_host("example.org", 443)
        policy.check_address("example.org", "93.184.216.34", 443)

    @pytest.mark.parametrize("address", ["10.0.0.1", "::1", "not an address"])
    def test_other_addresses_are_refused(self, address: str) -> None:
        policy = AddressPolicy.of([80, 443], [])

        with pytest.raises(CuepointError) as refused:
            policy.check_address("example.org", address, 80)

        assert refused.value.code is ErrorCode.URL_FORBIDDEN
        assert refused.value.field == ("url",)

    def test_other_ports_are_refused(self) -> None:
        policy = AddressPolicy.of([80, 443], [])

        with pytest.raises(CuepointError) as by_name:
            policy.check_host("example.org", 22)
        with pytest.raises(CuepointError) as by_address:
            policy.check_address("example.org", "93.184.216.34", 6379)

        assert "port 22 is none of 80, 443" in by_name.value.message
        assert "port 6379 is none of 80, 443" in by_address.value.message

    def test_a_named_host_may_be_internal_at_any_port(self) -> None:
        policy = AddressPolicy.of([443], ["NAS.lan."])

        policy.check_host("nas.lan", 9000)
        policy.check_address("nas.lan", "192.168.1.5", 9000)

        with pytest.raises(CuepointError):
            policy.check_address("other.lan", "192.168.1.5", 443)

    def test_a_network_may_be_met_by_any_name(self) -> None:
        policy = AddressPolicy.of([443], ["10.1.0.0/16", "fd00::/8"])

        policy.check_host("10.1.2.3", 8080)
        policy.check_address("10.1.2.3", "10.1.2.3", 8080)
        policy.check_address("files.lan", "fd00::1", 8080)

        with pytest.raises(CuepointError):
            policy.check_address("files.lan", "10.2.0.1", 443)

    def test_a_network_that_is_none_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"10\.1\.0\.1/16"):
            AddressPolicy.of([443], ["10.1.0.1/16"])
