"""How systems name people, and which learner a name means. Look-ups run on keyed hashes only."""

from learners.identity.canonical import (
    canonical,
    canonical_identifier,
    employee_hash,
    given_hash,
    identifier_hash,
    identifier_hash64,
)
from learners.identity.resolution import (
    IdentifierTaken,
    Span,
    add_identifier,
    change_address,
    close_identifier,
    find,
    hashes_of,
    holder,
    resolve,
    resolve_at,
    spans,
)

__all__ = [
    "IdentifierTaken",
    "Span",
    "add_identifier",
    "canonical",
    "canonical_identifier",
    "change_address",
    "close_identifier",
    "employee_hash",
    "find",
    "given_hash",
    "hashes_of",
    "holder",
    "identifier_hash",
    "identifier_hash64",
    "resolve",
    "resolve_at",
    "spans",
]
