"""Files of other sources, and what becomes of them."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from learners.identity import canonical, employee_hash, identifier_hash
from learners.models import Identifier, Learner
from signals.sources import SOURCES, Report
from signals.sources.files import bring_file

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def known(address: str = "anna@example.com", number: str = "") -> Learner:
    """A learner of this address, and perhaps this employee number."""
    learner = Learner.objects.create(
        employee_hash=employee_hash(number) if number else None, employee_number=number
    )
    Identifier.objects.create(
        learner=learner, kind="mbox", hash=identifier_hash(canonical("mbox", address)), value=address
    )
    return learner


def bring(
    source: str, content: str | bytes, *, now: datetime = NOW, dry_run: bool = False, **options: str
) -> Report:
    """What becomes of a file of this source. Every batch is a second later, as in life."""
    seconds = count()
    raw = content.encode() if isinstance(content, str) else content
    return bring_file(
        SOURCES[source],
        raw,
        file_name="file.csv",
        options=options,
        clock=lambda: now + timedelta(seconds=next(seconds)),
        dry_run=dry_run,
    )


def counts(report: Report) -> dict[str, Any]:
    """What a report counts, without what it counts none of."""
    names = ("new", "same", "changed", "waiting", "refused", "quarantined")
    return {name: value for name in names if (value := getattr(report, name))}
