"""manage.py train: a candidate from what was known on a date, with its figures and its card."""

from datetime import UTC, date, datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from signals.labels import UnknownDefinition
from signals.training import cohorts
from signals.training.card import read
from signals.training.dataset import NothingToLearnFrom
from signals.training.guards import UnfitForTraining
from signals.training.markdown import METRICS, figure
from signals.training.methods import METHODS
from signals.training.rows import CannotTrain
from signals.training.train import LABEL, train


class Command(BaseCommand):
    help = "Trains a candidate model and prints how it does. Only the gate makes it live (manage.py promote)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of",
            metavar="DATE",
            help="use nothing known later (YYYY-MM-DD); default: what the night learns from, which keeps the last runs"
            " that ended for the gate to compare on",
        )
        parser.add_argument(
            "--label", default=LABEL, help=f"name and version of the label (default: {LABEL})"
        )
        parser.add_argument(
            "--method", choices=sorted(METHODS), default="", help="instead of the best in a split in time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            model = train(
                as_of=_moment(options["as_of"]) or cohorts.learn_as_of(now=now),
                label=options["label"],
                method=options["method"],
                now=now,
            )
        except (CannotTrain, NothingToLearnFrom, UnfitForTraining, UnknownDefinition) as fault:
            raise CommandError(str(fault)) from fault
        card = read(model.card)
        if model.created_at != now:
            self.stdout.write(f"Nothing has changed since “{model.name}” was trained: it is the candidate.")
        self.stdout.write(
            f"“{model.name}” ({model.kind}) learned {model.label} from {card.data.rows:,} rows of"
            f" {card.data.people:,} enrolments in {len(card.data.cohorts)} runs."
        )
        for tried in card.tried:
            self.stdout.write(f"  tried {tried}")
        self.stdout.write(card.measured_on)
        for where, figures in card.metrics.items():
            told = "  ".join(f"{METRICS[name]} {figure(figures.get(name))}" for name in METRICS)
            self.stdout.write(f"  {where}: {told}")
        self.stdout.write(
            f"manage.py model_card {model.name} prints all of it; manage.py promote takes it to the gate."
        )


def _moment(given: str | None) -> datetime | None:
    if not given:
        return None
    try:
        return datetime.combine(date.fromisoformat(given), time(23, 59, 59), UTC)
    except ValueError as fault:
        raise CommandError(f"{given!r} is no date; write it as YYYY-MM-DD.") from fault
