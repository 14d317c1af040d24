"""manage.py pull_source: asks a configured site for what is new."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from signals.models import Feed
from signals.sources import SOURCES
from signals.sources.base import PullFailed
from signals.sources.pulling import pull


class Command(BaseCommand):
    help = "Asks a feed (set up in admin) for what is new, and prints what changed. Twice changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("feed", help="its name in admin")
        parser.add_argument(
            "--everything", action="store_true", help="from the beginning, not from the last time"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        feed = Feed.objects.filter(name=options["feed"], is_active=True).first()
        if feed is None or not SOURCES[feed.source].is_pulled:
            pulled = [
                one.name for one in Feed.objects.filter(is_active=True) if SOURCES[one.source].is_pulled
            ]
            raise CommandError(f"There is no such feed; there are: {', '.join(pulled) or 'none'}.")
        with tqdm(desc="Pulling", unit=" facts", delay=2, file=sys.stderr, disable=None) as bar:
            try:
                report = pull(
                    feed,
                    clock=timezone.now,
                    everything=options["everything"],
                    dry_run=options["dry_run"],
                    progress=bar.update,
                )
            except PullFailed as failed:
                raise CommandError(str(failed)) from failed
        for line in report.lines():
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
