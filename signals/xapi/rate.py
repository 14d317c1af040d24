"""How often one credential may ask, and one stranger may guess: counters in Redis, a minute at a time.

What a process may let through it draws from the shared counter in small lots, so that most requests cost no round
trip and none costs more than one. Without Redis everything is let through: what learning systems send must not be
lost because a counter is away.
"""

import logging
import threading
import time
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

WINDOW_S = 60
LOTS = 500  # into how many lots a minute's allowance is cut at most
AWAY_S = 5.0  # how long a Redis that did not answer is left alone
PATIENCE_S = 0.25
MOST_KNOWN = 10_000


class NotNow(Exception):
    """The request cannot be answered now; says why, what to do, and after how many seconds."""

    def __init__(self, status: int, where: str, fault: str, mend: str, retry_after_s: int) -> None:
        super().__init__(fault)
        self.status, self.where, self.fault, self.mend = status, where, fault, mend
        self.retry_after_s = retry_after_s


class _Lot(NamedTuple):
    window: int
    left: int


SPENT = -1  # left: nothing more in this window, here or in any process


_lots: dict[str, _Lot] = {}
_away = {"until": 0.0}
_lock = threading.Lock()


def allows(who: str, most: int, *, now: datetime) -> bool:
    """Whether one more of ``who`` fits into this minute, of which ``most`` are allowed. Counts it."""
    window = _window(now)
    with _lock:
        lot = _lots.get(who)
        if lot is not None and lot.window == window and lot.left:
            if lot.left > 0:
                _lots[who] = lot._replace(left=lot.left - 1)
            return lot.left > 0
    size = max(most // LOTS, 1)
    drawn = _draw(who, most, size, window)
    if drawn is None:
        return True
    with _lock:
        if len(_lots) >= MOST_KNOWN:
            _lots.clear()
        if not drawn:
            _lots[who] = _Lot(window, SPENT)
        else:  # another thread may have drawn at the same time
            lot = _lots.get(who)
            left = max(lot.left, 0) if lot is not None and lot.window == window else 0
            _lots[who] = _Lot(window, left + size - 1)
    return drawn


def is_spent(who: str, *, now: datetime) -> bool:
    """Whether this process knows that ``who`` is to wait for the next minute."""
    lot = _lots.get(who)
    return lot is not None and lot == (_window(now), SPENT)


def seconds_left(now: datetime) -> int:
    """Until the next minute begins."""
    return WINDOW_S - int(now.timestamp()) % WINDOW_S


def forget() -> None:
    """Makes this process start counting anew."""
    _lots.clear()
    _away["until"] = 0.0
    _limiter.cache_clear()


def _window(now: datetime) -> int:
    return int(now.timestamp()) // WINDOW_S


def _draw(who: str, most: int, size: int, window: int) -> bool | None:
    """Whether that many were still to be had; None where nobody can say."""
    if time.monotonic() < _away["until"]:
        return None
    try:
        # The window is part of the name: all processes begin a new count at the same moment.
        return _limiter().hit(RateLimitItemPerMinute(most), who, str(window), cost=size)
    except (RedisError, OSError) as fault:
        _away["until"] = time.monotonic() + AWAY_S
        log.warning("requests are not counted: %s", type(fault).__name__)
        return None


@lru_cache(maxsize=1)
def _limiter() -> FixedWindowRateLimiter:
    address = settings.RATE_LIMIT_URL
    patience = {} if address.startswith("memory:") else {
        "socket_timeout": PATIENCE_S,
        "socket_connect_timeout": PATIENCE_S,
    }  # fmt: skip
    storage = storage_from_string(address.replace("unix://", "redis+unix://", 1), **patience)
    assert isinstance(storage, Storage)
    return FixedWindowRateLimiter(storage)
