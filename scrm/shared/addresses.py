"""Which network addresses an outgoing call may reach: public ones, judged after resolving."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

NAT64 = IPv6Network("64:ff9b::/96")
V4_COMPATIBLE = IPv6Network("::/96")


def is_public(text: str) -> bool:
    """Whether an address, and any IPv4 address hidden in it, is a public unicast one."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(
        one.is_global and not one.is_multicast and not one.is_reserved and not one.is_unspecified
        for one in _with_inner(address)
    )


def is_loopback(text: str) -> bool:
    try:
        return ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _with_inner(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address to judge: what an IPv6 address stands for instead of itself, where it does."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in NAT64:
        return [last]
    if address in V4_COMPATIBLE:
        return [address, last]
    if address.sixtofour:
        return [address, address.sixtofour]
    if address.teredo:
        return [address, *address.teredo]
    if address.is_site_local:
        return [IPv4Address("0.0.0.0")]  # noqa: S104 - stands for "not public", nothing binds to it
    return [address]
