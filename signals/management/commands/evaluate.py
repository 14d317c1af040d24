"""manage.py evaluate: trains on some presentations and judges on others, as of given days."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from signals.labels import UnknownDefinition
from signals.training.dataset import NothingToLearnFrom
from signals.training.evaluate import (
    LABEL,
    LEFT_OUT,
    CannotEvaluate,
    Evaluation,
    cross_validate,
    evaluate,
    told,
    write_predictions,
)
from signals.training.guards import UnfitForTraining
from signals.training.methods import METHODS
from signals.training.presentations import UnknownPresentation
from signals.training.rows import CannotTrain

_NAMES = {"auc": "AUC", "ap": "AP", "ece": "ECE", "brier": "Brier", "precision_at_10": "P@10%"}


class Command(BaseCommand):
    help = "Trains on some presentations and prints how well the model does on others it has not seen."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--train", nargs="+", required=True, metavar="PRESENTATION")
        judged = parser.add_mutually_exclusive_group(required=True)
        judged.add_argument("--test", nargs="+", metavar="PRESENTATION")
        judged.add_argument(
            "--leave-out",
            choices=sorted(LEFT_OUT),
            default="",
            help="instead of --test: judge each course, or run, by a model of the others",
        )
        parser.add_argument(
            "--day", nargs="+", type=int, default=[14, 28, 56, 84], help="days since the start"
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
        parser.add_argument(
            "--predictions", type=Path, metavar="FILE.csv", help="write every prediction here"
        )
        parser.add_argument("--label", default=LABEL, help="name and version of the label")
        parser.add_argument(
            "--method", choices=sorted(METHODS), default="", help="instead of the best in a split in time"
        )
        parser.add_argument(
            "--mark-lag", type=int, default=0, metavar="DAYS", help="marks come back so much later"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["mark_lag"] < 0:
            raise CommandError(
                "Marks cannot come back before the work is handed in: --mark-lag is 0 or more."
            )
        for path in (options["json"], options["predictions"]):
            if path is not None and not path.resolve().parent.is_dir():
                raise CommandError(f"There is no directory {path.resolve().parent}.")
        try:
            found = self._evaluation(options)
        except (
            CannotEvaluate,
            CannotTrain,
            NothingToLearnFrom,
            UnfitForTraining,
            UnknownDefinition,
            UnknownPresentation,
        ) as fault:
            raise CommandError(str(fault)) from fault
        answer = told(found)
        self._print(answer)
        if options["json"]:
            options["json"].write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
        if options["predictions"]:
            rows = write_predictions(found, options["predictions"])
            self.stdout.write(f"{rows:,} predictions written to {options['predictions']}.")

    def _evaluation(self, options: dict[str, Any]) -> Evaluation:
        asked = {
            "train": options["train"],
            "days": options["day"],
            "label": options["label"],
            "method": options["method"],
            "mark_lag_days": options["mark_lag"],
            "now": timezone.now(),
        }
        if options["leave_out"]:
            return cross_validate(**asked, leave_out=options["leave_out"])
        return evaluate(**asked, test=options["test"])

    def _print(self, answer: dict[str, Any]) -> None:
        self.stdout.write(
            f"Learned from {', '.join(answer['trained_on'])}, judged on {', '.join(answer['tested_on'])}"
            + (f" (each {answer['left_out']} by a model of the others)" if answer["left_out"] else "")
            + f"; label {answer['label']}; method {answer['method']}."
        )
        for one in answer["tried"]:
            self.stdout.write(
                f"  tried {one['method']}: AUC {one['auc']:.3f}, AP {one['ap']:.3f} on {one['on']}"
            )
        for title, part in (("Model", "metrics"), ("Composite, for comparison", "baseline")):
            self.stdout.write(f"\n{title}")
            for day, figures in answer[part].items():
                told = "  ".join(f"{_NAMES[name]} {_figure(figures.get(name))}" for name in _NAMES)
                self.stdout.write(f"  {day}: {told}")
        self.stdout.write(
            "\nGap in the share found among those it came true for, top 20 % of each run's list"
        )
        for day, gaps in answer["tpr_gap_top_20"].items():
            told = "  ".join(
                f"{name} {_figure(gap) if gap else 'too small to judge'}" for name, gap in gaps.items()
            )
            self.stdout.write(f"  {day}: {told or 'no declared attributes'}")


def _figure(one: dict[str, Any] | None) -> str:
    if not one or one["value"] is None:
        return "–"
    if one["low"] is None or one["high"] is None:
        return f"{one['value']:.3f}"
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
