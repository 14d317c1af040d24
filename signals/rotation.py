"""Everything that signals keeps encrypted, written anew with the current key."""

from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from consent.crypto import decrypt, encrypt, ring
from signals.archive import people
from signals.models import Attachment, Document, Quarantined, Statement
from signals.xapi import bodies


def rotate(batch_size: int) -> int:
    """How many raw bodies and files' keys were encrypted again under the newest key. Can be stopped and resumed."""
    turned = sum(
        _rotate_batch(model, column, keys)
        for model, column in _ENCRYPTED
        for keys in _old(model, column, batch_size)
    )
    with transaction.atomic():
        return turned + people.rotate()


# What is encrypted as bytes, outside of the fields that know it of themselves.
_ENCRYPTED: tuple[tuple[type[Model], str], ...] = (
    (Statement, "body"),
    (Quarantined, "body"),
    (Quarantined, "mended"),
    (Document, "content"),
    (Attachment, "content"),
)


def _old(model: type[Model], column: str, size: int) -> Iterator[list[Any]]:
    """Batches of rows whose token does not begin with the newest key's fingerprint."""
    table, key = model._meta.db_table, model._meta.pk.column
    last = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {key} FROM {table} WHERE substr({column}, 2, 4) <> %s AND substr({column}, 1, 1) <> %s"
                + (f" AND {key} > %s" if last is not None else "")
                + f" ORDER BY {key} LIMIT %s",
                # What stands for a body in the cold store is no token; its file's key is turned instead.
                [ring().primary, bodies.IN_COLD_STORE, *([last] if last is not None else []), size],
            )
            keys = [row[0] for row in cursor.fetchall()]
        if not keys:
            return
        yield keys
        last = keys[-1]


def _rotate_batch(model: type[Model], column: str, keys: list[Any]) -> int:
    with transaction.atomic():
        rows: list[Any] = list(
            model._base_manager.select_for_update(of=("self",)).filter(pk__in=keys).only(column)
        )
        for row in rows:
            setattr(row, column, encrypt(decrypt(bytes(getattr(row, column)))))
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rekindle.rotating = 'on'")
        model._base_manager.bulk_update(rows, [column])
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rekindle.rotating = 'off'")
    return len(rows)
