"""manage.py first_action: how soon a first action follows its signal, and why some came late."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from interventions import first_action


class Command(BaseCommand):
    help = "Prints the share of first actions in time over a period, with each late one and its reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=float, default=first_action.DAYS, help="how far back signals count"
        )
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["days"] <= 3660:
            raise CommandError("--days lies between 0 and 3660.")
        found = first_action.measure(now=timezone.now(), days=options["days"])
        if options["json"]:
            told = {
                "since": found.since.isoformat(),
                "counted": found.counted,
                "in_time": found.in_time,
                "median_hours": found.median_hours,
                "late": [
                    {
                        "episode": str(one.episode_id),
                        "learner": str(one.learner_id),
                        "signal_at": one.signal_at.isoformat(),
                        "due_at": one.due_at.isoformat(),
                        "acted_at": one.acted_at.isoformat() if one.acted_at else None,
                        "why": one.why,
                    }
                    for one in found.late
                ],
            }
            self.stdout.write(json.dumps(told, indent=2))
            return
        if found.share is None:
            self.stdout.write("No first action has been due in this period.")
            return
        self.stdout.write(f"{found.in_time} of {found.counted} first actions in time ({found.share:.0%}).")
        if found.median_hours is not None:
            self.stdout.write(f"Median from signal to first action: {found.median_hours:.1f} h.")
        for why, number in found.reasons():
            self.stdout.write(f"{number:6} late: {why}")
        for one in found.late:
            acted = f"{one.acted_at:%Y-%m-%d %H:%M}" if one.acted_at else "not yet"
            self.stdout.write(
                f"  episode {one.episode_id}: signal {one.signal_at:%Y-%m-%d %H:%M}, "
                f"due {one.due_at:%Y-%m-%d %H:%M}, acted {acted}: {one.why}"
            )
