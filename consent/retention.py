"""How long each purpose may keep its data, and what is older than that."""

from datetime import datetime, timedelta

from consent.models import ConsentScope
from consent.registry import privacy_modules
from consent.scopes import Scope


def expired(scope: Scope, now: datetime) -> datetime:
    """The moment before which this purpose's data is past its retention."""
    days = ConsentScope.objects.values_list("retention_days", flat=True).get(pk=scope)
    return now - timedelta(days=days)


def past_retention(*, now: datetime) -> dict[str, int]:
    """Store → rows past retention, without touching any: each app counts its own, where it says how.

    An app says how by ``past_retention(scope, before) -> dict[str, int]`` in its ``privacy.py``.
    """
    found: dict[str, int] = {}
    for scope in Scope:
        before = expired(scope, now)
        for label, module in privacy_modules():
            if hasattr(module, "past_retention"):
                for store, rows in module.past_retention(scope, before).items():
                    name = f"{label}.{store}"
                    found[name] = found.get(name, 0) + rows
    return found
