"""Who acted, and upon what: a kind and a uuid, so that evidence outlives the row it speaks of."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody or something by uuid: ``Party("user", user.pk)``. Never a name."""

    kind: str
    uuid: UUID


# What the product does by itself.
SYSTEM = Party("system", UUID(int=0))
