"""How long each purpose may keep its data, and what becomes of what is older than that.

Each app says in its ``privacy.py`` what it holds beyond a purpose's period, as steps:
``expire(scope, before, *, now)``. An app that can keep things at less cost elsewhere says so by
``relocate(*, now)``. A step tells what it would do before it does it, so a dry run is the same list, not run.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import OperationalError, transaction

from consent import audit
from consent.actors import SYSTEM
from consent.models import ConsentScope
from consent.registry import KeptElsewhereFault, privacy_modules
from consent.scopes import Scope

EXPIRED, MOVED = "retention.expired", "retention.moved"  # in the audit log
# Nothing here is older. Whoever writes a million days means for ever.
FIRST_MOMENT = datetime(1900, 1, 1, tzinfo=UTC)


class NotAllTaken(Exception):
    """Some steps could not be taken, the others were; the message says which, and why."""


class Step(NamedTuple):
    """One thing that would go, and how. It runs in a transaction of its own, with its entry in the audit log."""

    store: str
    rows: int
    remove: Callable[[], Any]
    bytes: int = 0
    partitions: int = 0  # given up whole, and not row by row
    people: int = 0
    stays: str = ""  # where it is still to be found; empty: nowhere


class Found(NamedTuple):
    """A step, and which purpose's period has run out (None: none has, it only moves)."""

    app: str
    scope: Scope | None
    before: datetime | None
    step: Step

    @property
    def store(self) -> str:
        return f"{self.app}.{self.step.store}"


def expired(scope: Scope, now: datetime) -> datetime:
    """The moment before which this purpose's data is past its retention."""
    days = ConsentScope.objects.values_list("retention_days", flat=True).get(pk=scope)
    try:
        return max(now - timedelta(days=days), FIRST_MOMENT)
    except OverflowError:
        return FIRST_MOMENT


def find(*, now: datetime, moving: bool = True) -> Iterator[Found]:
    """Everything that is past its retention or (``moving``) may be kept elsewhere, without touching any.

    What moves comes first; where its period has run out as well, the later step finds it where it then is.
    """
    for label, module in privacy_modules():
        if moving and hasattr(module, "relocate"):
            for step in module.relocate(now=now):
                yield Found(label, None, None, step)
    for scope in Scope:
        before = expired(scope, now)
        for label, module in privacy_modules():
            if hasattr(module, "expire"):
                for step in module.expire(scope, before, now=now):
                    yield Found(label, scope, before, step)


def past_retention(*, now: datetime) -> dict[str, int]:
    """Store → rows past retention, without touching any."""
    found: dict[str, int] = {}
    for item in find(now=now):
        if item.scope is not None:
            found[item.store] = found.get(item.store, 0) + item.step.rows
    return found


def apply(*, now: datetime, moving: bool = True, done: Callable[[Found], Any] = lambda found: None) -> int:
    """How many steps were taken. Each commits alone, so what was interrupted goes on where it stopped.

    Raises NotAllTaken when all the others have been taken: one file that is missing holds up nothing else.
    """
    taken = 0
    failed: list[str] = []
    for found in find(now=now, moving=moving):
        try:
            _take(found, now=now)
        except (KeptElsewhereFault, OperationalError) as fault:  # the latter: somebody held a lock too long
            failed.append(f"{found.store}: {str(fault).strip()}")
            continue
        taken += 1
        done(found)
    if failed:
        raise NotAllTaken(f"{taken} steps were taken and {len(failed)} could not be: " + " ".join(failed))
    return taken


def _take(found: Found, *, now: datetime) -> None:
    with transaction.atomic():
        found.step.remove()
        audit.record(
            actor=SYSTEM,
            action=EXPIRED if found.scope else MOVED,
            target=SYSTEM,
            now=now,
            detail={
                "store": found.store,
                "scope": found.scope or "",
                "before": found.before.isoformat() if found.before else "",
                "rows": found.step.rows,
                "bytes": found.step.bytes,
                "partitions": found.step.partitions,
                "people": found.step.people,
            },
        )
