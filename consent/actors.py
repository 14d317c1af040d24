"""Who did something, and to whom: a kind and a uuid, never a foreign key, so that evidence survives erasure."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Party:
    """A person, a case, a decision …, named so that nobody can be recognised by it."""

    kind: str
    uuid: UUID


SYSTEM = Party("system", UUID(int=0))
