"""manage.py readiness: the checklist before modelling, each line measured on the data at hand."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.health import unmigrated
from interventions.readiness import nothing_queued
from signals.readiness import consent_probe, data, gains, lineage
from signals.readiness.answers import Line, State, measure

# The checklist's own five first, then what its article asks besides.
CHECKLIST = (
    data.learner_id,
    data.utc,
    data.sessions,
    data.sparsity,
    consent_probe.enforced,
    nothing_queued,
    lineage.labels,
    lineage.leaks,
    data.survivors,
    data.intake,
    data.roles,
    lineage.raw,
    data.monitoring,
    gains.missing_signals,
)
MARKS = {State.PASS: "pass", State.WARN: "WARN", State.FAIL: "FAIL"}


class Command(BaseCommand):
    help = "Prints the checklist before modelling, each line measured, with what to do."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the lines as JSON")
        parser.add_argument("--strict", action="store_true", help="exit with status 1 if a line fails")

    def handle(self, *args: Any, **options: Any) -> None:
        if unmigrated():
            raise CommandError("The database is empty or behind the code: run `bin/manage migrate` first.")
        now = timezone.now()
        lines = measure(CHECKLIST, now=now)
        if options["json"]:
            told = {"at": now.isoformat(), "counts": _counts(lines), "lines": [asdict(one) for one in lines]}
            self.stdout.write(json.dumps(told, indent=2))
        else:
            self._print(lines)
        if options["strict"] and any(one.state is State.FAIL for one in lines):
            sys.exit(1)

    def _print(self, lines: list[Line]) -> None:
        styles = {
            State.PASS: self.style.SUCCESS,
            State.WARN: self.style.WARNING,
            State.FAIL: self.style.ERROR,
        }
        for one in lines:
            self.stdout.write(f"{styles[one.state](MARKS[one.state])}  {one.question}")
            self.stdout.write(f"      {one.figure}. Wanted: {one.threshold}.")
            if one.mend:
                self.stdout.write(f"      To do: {one.mend}")
        counts = _counts(lines)
        self.stdout.write(f"\n{counts['pass']} pass, {counts['warn']} warn, {counts['fail']} fail.")


def _counts(lines: list[Line]) -> dict[str, int]:
    return {state.value: sum(1 for one in lines if one.state is state) for state in State}
