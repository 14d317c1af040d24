"""A page that is open learns within a second that somebody withdrew, and stops showing them.

Each such page asks twice a second, while it is looked at, for one word out of the cache: no session, no database. The
word changes when somebody whom pages of this kind may show takes a consent back; only then the page is read anew. The
cache is a hint: without it a page shows what it showed until it is loaded again, and every answer given on it is
checked against consent in any case.
"""

import logging
import secrets
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.utils.crypto import salted_hmac
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

MANAGERS, COACHES = "managers", "coaches"
KEPT_S = 86_400  # a page that is open for longer reads itself anew once
NEVER = "0"


def of_learner(learner_id: UUID) -> str:
    """The name of a learner's own pages."""
    return _name(f"learner:{learner_id}")


def of_role(role: str) -> str:
    """The name of all pages of managers, or of coaches."""
    return _name(role)


def _name(who: str) -> str:
    """Tells nobody whose it is, and cannot be guessed."""
    return salted_hmac("coaching.open_pages", who, algorithm="sha256").hexdigest()[:32]


def word(name: str) -> str | None:
    """The word that stands for what pages of this name may show; None where nobody knows it."""
    try:
        return str(cache.get(_key(name), NEVER))
    except (RedisError, OSError):
        return None


def shown(name: str) -> dict[str, str]:
    """What a page carries. Call it before reading what the page shows, so that nothing slips in between."""
    return {"listens_to": name, "heard": word(name) or NEVER}


def on_withdrawn(*, subject: UUID, **_: Any) -> None:
    """Somebody took a consent back: their pages, and those of managers and coaches, read themselves anew."""
    names = [of_learner(subject), of_role(MANAGERS), of_role(COACHES)]
    said = secrets.token_urlsafe(9)
    try:
        cache.set_many({_key(name): said for name in names}, timeout=KEPT_S)
    except (RedisError, OSError) as fault:
        log.warning("open pages are not told of a withdrawal: %s", type(fault).__name__)


def _key(name: str) -> str:
    return f"open-pages:{name}"
