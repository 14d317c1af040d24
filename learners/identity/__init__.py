"""How systems name people, and which learner a name means. Look-ups run on keyed hashes only."""

from learners.identity.canonical import (
    canonical,
    canonical_identifier,
    employee_hash,
    identifier_hash,
    identifier_hash64,
)
from learners.identity.resolution import (
    IdentifierTaken,
    add_identifier,
    change_address,
    close_identifier,
    resolve,
)

__all__ = [
    "IdentifierTaken",
    "add_identifier",
    "canonical",
    "canonical_identifier",
    "change_address",
    "close_identifier",
    "employee_hash",
    "identifier_hash",
    "identifier_hash64",
    "resolve",
]
