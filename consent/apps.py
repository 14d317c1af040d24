from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class ConsentConfig(AppConfig):
    name = "consent"

    def ready(self) -> None:
        post_migrate.connect(_remember_keys, sender=self)
        checks.register(_check_key_ring, checks.Tags.database)


def _remember_keys(**kwargs: Any) -> None:
    from consent.keys import remember_keys, ring_faults

    if not ring_faults():
        remember_keys()


def _check_key_ring(app_configs: Any, databases: list[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    from django.db import DatabaseError

    from consent.keys import ring_faults

    if not databases:
        return []
    try:
        return [checks.Error(fault, id="consent.E001") for fault in ring_faults()]
    except DatabaseError:  # not migrated yet
        return []
