"""manage.py import_lessons: lessons from a CSV file, a Common Cartridge or a learning system, as drafts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from interventions.lesson_import import bringing, files
from interventions.lesson_import.lms import SYSTEMS
from interventions.lesson_import.proposed import NotReadable, Proposed, Refused
from interventions.models import Lesson
from learners.models import User
from signals.models import Feed


class Command(BaseCommand):
    help = (
        "Imports lessons as drafts (docs/catalogue.md) and prints what changed. Twice changes nothing."
        " A CSV file with a refused row changes nothing at all; of what a system exported the rest comes in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help=".csv or .imscc")
        parser.add_argument(
            "--feed", help="the name of a feed (admin, Feeds) of a learning system, instead of a file"
        )
        parser.add_argument("--course", type=int, help="with --feed: the number of the course there")
        parser.add_argument(
            "--language", default="en", help="with --feed or a cartridge: what it is written in"
        )
        parser.add_argument(
            "--competency", help="with --feed or a cartridge: the key of what all of it teaches"
        )
        parser.add_argument(
            "--minutes", type=int, help="with --feed or a cartridge: how long each of them takes"
        )
        parser.add_argument("--owner", help="the login of who answers for lessons whose row names nobody")
        parser.add_argument("--publish", action="store_true", help="put in use what has all it needs")
        parser.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["file"] is None) == (options["feed"] is None):
            raise CommandError("Name a file, or a --feed with a --course.")
        origin, rows = self._of_feed(options) if options["feed"] else self._of_file(options)
        try:
            report = bringing.bring_in(
                rows,
                origin=origin,
                owner=_owner(options["owner"]),
                by=None,
                now=timezone.now(),
                dry_run=options["dry_run"],
                whole=origin == Lesson.Origin.CSV,
                publish=options["publish"],
            )
        except NotReadable as fault:
            raise CommandError(f"{fault}\nNothing was changed.") from fault
        for sign, what in (("+", "added"), ("~", "changed"), ("=", "unchanged")):
            for line in report.of(what):
                self.stdout.write(f"{sign} {line}")
        for refused in report.refused:
            self.stdout.write(f"! {refused}")
        self.stdout.write(report.summary())
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
        elif not report.is_done:
            raise CommandError("Nothing was changed: mend the refused rows and run it again.")

    def _of_file(self, options: dict[str, Any]) -> tuple[Lesson.Origin, Iterable[Proposed | Refused]]:
        path: Path = options["file"]
        try:
            content = path.read_bytes()
        except OSError as fault:
            raise CommandError(f"{path} cannot be read: {fault.strerror}.") from fault
        return files.read(
            path.name,
            content,
            language=options["language"],
            competency=options["competency"],
            minutes=options["minutes"],
        )

    def _of_feed(self, options: dict[str, Any]) -> tuple[Lesson.Origin, Iterable[Proposed | Refused]]:
        feed = Feed.objects.filter(name=options["feed"], source__in=SYSTEMS, is_active=True).first()
        if feed is None or options["course"] is None:
            raise CommandError(f"Name an active feed of {', '.join(SYSTEMS)} and a --course.")
        system = SYSTEMS[feed.source]
        return system.origin, system.read(
            feed,
            options["course"],
            language=options["language"],
            competency=options["competency"],
            minutes=options["minutes"],
        )


def _owner(login: str | None) -> User | None:
    if login is None:
        return None
    try:
        return User.objects.get_by_natural_key(login)
    except User.DoesNotExist:
        raise CommandError("Nobody signs in with the login that --owner names.") from None
