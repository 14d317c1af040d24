from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class ConsentConfig(AppConfig):
    name = "consent"

    def ready(self) -> None:
        post_migrate.connect(_install_scopes, sender=self)
        post_migrate.connect(_remember_keys, sender=self)
        checks.register(checks.Tags.database)(_check_key_ring)


def _install_scopes(**kwargs: Any) -> None:
    """A scope that the code knows always has its row, also in a database that was emptied."""
    from consent import first_texts
    from consent.models import ConsentScope, ScopeText

    if _is_migrated():
        first_texts.install(ConsentScope, ScopeText)


def _remember_keys(**kwargs: Any) -> None:
    from consent.keys import remember_keys, ring_faults

    if _is_migrated() and not ring_faults():
        remember_keys()


def _check_key_ring(*, app_configs: Any, databases: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    from django.db import OperationalError

    from consent.keys import ring_faults

    try:
        if not databases or not _is_migrated():
            return []
    except OperationalError:  # the command that needs the database will say so better
        return []
    return [checks.Error(fault, id="consent.E001") for fault in ring_faults()]


def _is_migrated() -> bool:
    """Whether the last of our tables and columns are there; older code's tables are left to older code."""
    from django.db import connection

    from consent.models import KeyCheck

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
            [KeyCheck._meta.db_table, "key_name"],
        )
        return cursor.fetchone() is not None
