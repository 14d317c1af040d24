"""Can the key ring read this database? And how everything gets onto the newest key."""

from collections.abc import Callable, Iterator

from django.apps import apps
from django.db import models, transaction

from consent.crypto import EncryptedTextField, WrongKeyRing, decrypt, encrypt, keyed_hash, ring
from consent.models import KeyCheck
from consent.registry import privacy_modules

PROBE = b"rekindle"


def remember_keys() -> None:
    """Notes the keys in use, so that a wrong ring is noticed before it does harm."""
    keys = ring()
    KeyCheck.objects.bulk_create(
        [
            KeyCheck(name=keys.primary.hex(), probe=encrypt(PROBE)),
            KeyCheck(name="index", probe=keyed_hash("key check", "index")),
        ],
        ignore_conflicts=True,
    )


def ring_faults() -> list[str]:
    """One sentence for each way in which the key ring does not fit this database."""
    faults = []
    for check in KeyCheck.objects.all():
        if check.name == "index":
            if bytes(check.probe) != keyed_hash("key check", "index"):
                faults.append(
                    "The key named index in FIELD_KEYS is not the one this database was written with; nobody would "
                    "be found. Put the old index key back."
                )
            continue
        try:
            decrypt(bytes(check.probe))
        except WrongKeyRing as fault:
            faults.append(str(fault))
    return faults


def rotate(*, batch_size: int = 1000, progress: Callable[[int], None] = lambda rows: None) -> int:
    """Re-encrypts what older keys wrote under the newest key; returns the rows changed. Can be stopped and resumed."""
    changed = 0
    for model in apps.get_models():
        names = [field.attname for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]
        if names and model._meta.managed:
            for rows in _batches(model, batch_size):
                changed += _rotate_rows(model, names, rows)
                progress(len(rows))
    for _, module in privacy_modules():
        if hasattr(module, "rotate"):
            changed += module.rotate(batch_size)
    remember_keys()
    primary = ring().primary.hex()
    KeyCheck.objects.exclude(name__in=(primary, "index")).delete()  # their keys may now leave the ring
    return changed


def _batches(model: type[models.Model], size: int) -> Iterator[list[object]]:
    last = None
    while True:
        rows = model._base_manager.order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        keys = list(rows.values_list("pk", flat=True)[:size])
        if not keys:
            return
        yield keys
        last = keys[-1]


def _rotate_rows(model: type[models.Model], names: list[str], keys: list[object]) -> int:
    """Reads and writes these rows again: writing always uses the newest key."""
    with transaction.atomic():
        rows = list(model._base_manager.select_for_update(of=("self",)).filter(pk__in=keys))
        model._base_manager.bulk_update(rows, names)
    return len(rows)

