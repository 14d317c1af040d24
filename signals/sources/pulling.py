"""Asking a configured site for what is new, and remembering up to where that was."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q

from signals.models import Feed
from signals.sources import SOURCES
from signals.sources.base import PullFailed
from signals.sources.importing import Origin, Report, bring_in
from signals.sources.moodle import EVERY_HOURS, check_settings

log = logging.getLogger(__name__)


def pull(
    feed: Feed,
    *,
    clock: Callable[[], datetime],
    everything: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda facts: None,
) -> Report:
    """What became of what the site told. The watermark moves only when all of it is in; else we ask again.

    Raises PullFailed.
    """
    source = SOURCES[feed.source]
    facts = source.pull(feed, now=clock(), everything=everything)
    report = bring_in(
        source, facts, clock=clock, origin=Origin(feed=feed), dry_run=dry_run, progress=progress
    )
    if not dry_run:
        feed.save(update_fields=["watermark"])
    return report


def _running_from(now: datetime) -> Callable[[], datetime]:
    """A clock that says now and goes on: a pull may take minutes, and statements are stored when they are stored."""
    begun = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - begun)


def pull_due(*, now: datetime) -> int:
    """How many feeds were asked (at most one a call) whose last run is long enough ago. A stage."""
    names = [name for name, source in SOURCES.items() if source.is_pulled]
    feeds = Feed.objects.filter(source__in=names, is_active=True).annotate(
        asked_at=Max("runs__started_at", filter=Q(runs__delivery=""))
    )
    for feed in feeds.order_by("asked_at", "pk"):
        try:
            check_settings(feed.settings)
        except PullFailed as failed:
            log.warning("feed %s cannot be pulled: %s", feed.name, failed)
            continue  # no reason to leave out the others
        hours = float(feed.settings.get("every_hours", EVERY_HOURS))
        if not hours or (feed.asked_at is not None and feed.asked_at > now - timedelta(hours=hours)):
            continue
        try:
            pull(feed, clock=_running_from(now))
        except PullFailed as failed:
            # The run that began is its trace; the contract's freshness tells people when it goes on.
            log.warning("feed %s could not be pulled: %s", feed.name, failed)
        return 1
    return 0
