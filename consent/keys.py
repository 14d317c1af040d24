"""Can the key ring read this database? And how everything gets onto the newest key."""

from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from consent.crypto import (
    AlteredToken,
    EncryptedTextField,
    WrongKeyRing,
    decrypt,
    encrypt,
    keyed_hash,
    ring,
)
from consent.models import KeyCheck
from consent.registry import privacy_modules

PROBE = b"rekindle"
INDEX = "index"


def remember_keys() -> None:
    """Notes the keys in use, so that a wrong ring is noticed before it does harm."""
    keys = ring()
    KeyCheck.objects.bulk_create(
        [
            KeyCheck(name=keys.primary.hex(), key_name=keys.names[keys.primary], probe=encrypt(PROBE)),
            KeyCheck(name=INDEX, key_name=INDEX, probe=keyed_hash("key check", "index")),
        ],
        ignore_conflicts=True,
    )


def ring_faults() -> list[str]:
    """One sentence for each way in which the key ring does not fit this database."""
    faults = []
    for check in KeyCheck.objects.all():
        if check.name == INDEX:
            if bytes(check.probe) != keyed_hash("key check", "index"):
                faults.append(
                    "The key named index in FIELD_KEYS is not the one this database was written with; nobody would "
                    "be found. Put the old index key back."
                )
            continue
        try:
            decrypt(bytes(check.probe))
        except WrongKeyRing:
            named = f"named {check.key_name!r} " if check.key_name else ""
            faults.append(
                f"FIELD_KEYS lacks the key {named}with fingerprint {check.name}, with which parts of this database "
                "are encrypted; add that very key to FIELD_KEYS."
            )
        except AlteredToken:
            faults.append(
                f"The probe of the key with fingerprint {check.name} was altered in the database; restore a backup."
            )
    return faults


def rotate(*, batch_size: int = 1000, progress: Callable[[int], Any] = lambda rows: None) -> int:
    """Re-encrypts what older keys wrote under the newest key; returns the rows changed.

    Only values of older keys are touched and every batch commits, so it can be stopped and run again.
    """
    remember_keys()
    changed = 0
    for model in apps.get_models():
        fields = [field for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]
        if not fields or model._meta.proxy:
            continue
        for keys in _old(model, fields, batch_size):
            changed += _rotate_batch(model, fields, keys)
            progress(len(keys))
    # What an app keeps encrypted outside of such fields, it turns itself.
    for _, module in privacy_modules():
        if hasattr(module, "rotate"):
            rows = module.rotate(batch_size)
            changed += rows
            progress(rows)
    # Nothing is left that the older keys wrote: they may now leave the ring.
    KeyCheck.objects.exclude(name__in=(ring().primary.hex(), INDEX)).delete()
    return changed


def _old(model: type[models.Model], fields: list[EncryptedTextField], batch_size: int) -> Iterator[list[Any]]:
    """Primary keys, batch by batch, of the rows of which some value was written with an older key."""
    table, key = _quote(model._meta.db_table), _quote(model._meta.pk.column)
    stale = " OR ".join(f"substring({_quote(field.column)} FROM 2 FOR 4) <> %s" for field in fields)
    primary = [ring().primary] * len(fields)
    after: list[Any] = []
    while True:
        beyond = f"{key} > %s AND " if after else ""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {key} FROM {table} WHERE {beyond}({stale}) ORDER BY {key} LIMIT %s",
                [*after, *primary, batch_size],
            )
            keys = [row[0] for row in cursor.fetchall()]
        if not keys:
            return
        yield keys
        after = [keys[-1]]


def _rotate_batch(model: type[models.Model], fields: list[EncryptedTextField], keys: list[Any]) -> int:
    """Writes these rows again with the newest key; locked, so that nobody's edit is overwritten by an older value."""
    table, key = _quote(model._meta.db_table), _quote(model._meta.pk.column)
    columns = ", ".join(_quote(field.column) for field in fields)
    values = ", ".join(f"{_quote(field.column)} = %s" for field in fields)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key}, {columns} FROM {table} WHERE {key} = ANY(%s) ORDER BY {key} FOR UPDATE",
            [keys],
        )
        rows = cursor.fetchall()
        cursor.executemany(
            f"UPDATE {table} SET {values} WHERE {key} = %s",
            [
                [*(None if token is None else encrypt(decrypt(token)) for token in tokens), row_key]
                for row_key, *tokens in rows
            ],
        )
    return len(rows)


def _quote(name: str | None) -> str:
    assert name  # abstract models alone have none
    return connection.ops.quote_name(name)
