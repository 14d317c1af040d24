"""What ingest notes for the tally: nothing at all, unless something was sent again.

A row for each such batch, and no counter that all writers of a source would wait for.
"""

from datetime import datetime

from signals.models import Credential, IntakeNote


def resent(number: int, *, credential: Credential, now: datetime) -> None:
    """So many statements of a batch were stored before, saying the same. In the transaction that takes the rest in."""
    if number > 0:
        IntakeNote.objects.create(source=credential, at=now, resent=number)
