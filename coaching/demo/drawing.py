"""Chance in the sample organisation: it follows from words alone, so that it is the same on every machine."""

from hashlib import sha256


def draw(*what: object) -> int:
    """A number that follows from its words alone."""
    return int.from_bytes(sha256("|".join(map(str, what)).encode()).digest()[:6], "big")
