"""manage.py backtest: walks the recorded evaluation points and decides anew."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from interventions.backtest import run
from interventions.backtest.words import lines
from interventions.policy import store
from interventions.policy.document import PolicyFault


class Command(BaseCommand):
    help = (
        "Decides every recorded evaluation anew and says how many come out equal; with --policy, what another "
        "version would have meant. Days are the organisation's, both included."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", dest="first", required=True, metavar="DATE", help="first day: 2026-03-01"
        )
        parser.add_argument("--to", dest="last", required=True, metavar="DATE", help="last day, included")
        parser.add_argument(
            "--policy", type=int, metavar="N", help="compare this version with the one in force"
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["json"]
        if path is not None and not path.resolve().parent.is_dir():
            raise CommandError(f"There is no directory {path.resolve().parent}.")
        try:
            span = run.span_of(_day("--from", options["first"]), _day("--to", options["last"]))
            live = store.live()
            base = run.Side(live.version, store.document(live))
            wanted = options["policy"]
            other = run.side_of(wanted) if wanted is not None and wanted != live.version else None
            with tqdm(desc="Walking the record", unit=" points", disable=None, leave=False) as bar:
                found = run.backtest(
                    span=span, base=base, other=other, progress=lambda points: bar.update(points - bar.n)
                )
        except (run.CannotBacktest, store.NoPolicyInForce, PolicyFault) as fault:
            raise CommandError(str(fault)) from fault
        for line in lines(found.told):
            self.stdout.write(line)
        if path is not None:
            path.write_text(json.dumps(found.told, indent=1) + "\n", encoding="utf-8")
            self.stdout.write(f"All figures are in {path}.")


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as fault:
        raise CommandError(f"{option} {text!r} is not a day; write it as 2026-03-01.") from fault
