"""Finds records that may be of one person, and leaves them for somebody to decide."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from tqdm import tqdm

from learners.linking.comparing import run_all
from learners.models import LinkCandidate, LinkRecord


class Command(BaseCommand):
    help = "Compares what changed, on keyed encodings, and queues likely pairs for review. Merges nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be asked and keep nothing")
        parser.add_argument(
            "--all", action="store_true", help="compare everybody anew, not only what changed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["all"] and not options["dry_run"]:
            LinkRecord.objects.update(dirty_since=now, fingerprint=None)
        waiting = LinkRecord.objects.filter(dirty_since__isnull=False).count()
        with tqdm(total=waiting, desc="Comparing", delay=2, file=sys.stderr) as bar:
            found = run_all(now=now, dry_run=options["dry_run"], progress=bar.update)
        self.stdout.write(
            f"{found.looked_at} records looked at, {found.changed} changed, compared with {found.compared_with} others;"
            f" {found.actors} unknown actors are new."
        )
        if found.common_blocks:
            self.stdout.write(f"{found.common_blocks} groupings were too common to compare within.")
        self.stdout.write(
            f"Pairs: {found.new} new, {found.updated} with other evidence, {found.asked_again} asked again."
        )
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was kept.")
            return
        open_pairs = LinkCandidate.objects.filter(state=LinkCandidate.State.WAITING).count()
        self.stdout.write(f"{open_pairs} pairs wait for somebody: /admin/learners/linkcandidate/")
