"""Asking a configured site for what is new, and remembering up to where that was."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from signals.models import Feed
from signals.sources import SOURCES
from signals.sources.importing import Origin, Report, bring_in


def pull(
    feed: Feed,
    *,
    clock: Callable[[], datetime],
    everything: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda facts: None,
) -> Report:
    """What became of what the site told. The watermark moves only when all of it is in; else we ask again."""
    source = SOURCES[feed.source]
    facts = source.pull(feed, now=clock(), everything=everything)
    report = bring_in(
        source, facts, clock=clock, origin=Origin(feed=feed), dry_run=dry_run, progress=progress
    )
    if not dry_run:
        feed.save(update_fields=["watermark"])
    return report
