"""Which addresses and ports a fetch may reach."""

from __future__ import annotations

import pytest

from mcp_servers.web.addresses import Policy, is_public, parse_local

PUBLIC = ["93.184.216.34", "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1",
          "172.32.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::200e",
          "64:ff9b::5db8:d822"]  # fmt: skip
NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.216.34",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:5db8:d822::", "3fff::1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1", "localhost",
    "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "", "1.1.1.1 ", "2606:4700::1111%1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_reached_on_the_webs_ports(address: str) -> None:
    assert is_public(address)
    assert Policy().allows(address, 443) and Policy().allows(address, 80)
    assert not Policy().allows(address, 22)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(address)
    assert not Policy().allows(address, 443)


def test_what_the_user_opened_is_reached_on_that_port_only() -> None:
    policy = Policy(parse_local("127.0.0.1:3000, localhost:8000,[fd00::1]:80"))
    assert policy.allows("127.0.0.1", 3000) and policy.allows_port(3000)
    assert policy.allows("::1", 8000) and policy.allows("127.0.0.1", 8000)
    assert policy.allows("fd00::1", 80)
    assert not policy.allows("127.0.0.1", 80)
    assert not policy.allows("127.0.0.2", 3000)
    assert not policy.allows("93.184.216.34", 3000)
    assert policy.is_local("localhost", 8000) and not policy.is_local("localhost", 443)


@pytest.mark.parametrize("text", ["3000", "127.0.0.1", "myhost:80", "127.0.0.1:0", "::1:99999"])
def test_what_is_no_address_with_a_port_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="no address with a port"):
        parse_local(text)
