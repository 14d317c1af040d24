"""A file of a source, taken in whole: what a command and the admin page both do."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from signals.models import DataContract
from signals.sources.base import Delivered, Source
from signals.sources.importing import Origin, Report, bring_in


def bring_file(
    source: Source,
    content: bytes,
    *,
    file_name: str,
    clock: Callable[[], datetime],
    options: Mapping[str, str] | None = None,
    by: UUID | None = None,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda rows: None,
) -> Report:
    """What became of a file's rows, or would. Raises FileRefused."""
    delivered = Delivered(content, file_name, options or {}, more_columns=_agreed_columns(source.name))
    return bring_in(
        source,
        source.read(delivered),
        clock=clock,
        origin=Origin(file_name=file_name, by=by),
        dry_run=dry_run,
        progress=progress,
    )


def _agreed_columns(source: str) -> tuple[str, ...]:
    """Columns that contracts ask for beside the source's own."""
    contracts = DataContract.objects.filter(source=source, is_active=True).order_by("pk")
    return tuple(dict.fromkeys(name for contract in contracts for name in contract.columns.split()))
