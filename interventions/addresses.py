"""Asks whether an e-mail address is known to refuse. Below routing, which must know it too."""

from collections.abc import Iterable

from interventions.models import ChatConnection, UnreachableAddress
from learners.identity import canonical, identifier_hash


def hash_of(address: str) -> bytes:
    """The key of an address: the one its identifier has."""
    return identifier_hash(canonical("mbox", address))


def beyond_reach(addresses: Iterable[str]) -> set[str]:
    """Those to whom nothing but a page can speak: the address refuses, and no chat is configured."""
    found = refusing(addresses)
    return set() if found and ChatConnection.objects.filter(is_active=True, writes=True).exists() else found


def refusing(addresses: Iterable[str]) -> set[str]:
    """Those of these addresses that refuse for good; one query whatever their number."""
    by_hash = {hash_of(address): address for address in addresses if address}
    if not by_hash:
        return set()
    found = UnreachableAddress.objects.filter(hash__in=list(by_hash)).values_list("hash", flat=True)
    return {by_hash[bytes(hashed)] for hashed in found}


def refusal_of(address: str) -> UnreachableAddress | None:
    """Since when and why this address refuses for good; None where it does not, or where there is none."""
    return UnreachableAddress.objects.filter(hash=hash_of(address)).first() if address else None
