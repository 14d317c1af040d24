"""How long to wait before trying again. Pure."""

import hashlib
from datetime import timedelta
from uuid import UUID

LONGEST = timedelta(hours=12)


def pause(of: UUID, tries: int) -> timedelta:
    """Doubles with each try, up to half a day; plus up to a half of it, so that many do not come back at once.

    That part is drawn by a hash of what is sent and the try, not by chance: a replay waits as long.
    """
    base = min(timedelta(minutes=2 ** min(tries, 12)), LONGEST)
    digest = hashlib.sha256(of.bytes + tries.to_bytes(2, "big")).digest()
    return base * (1 + int.from_bytes(digest[:4], "big") / 2**33)
