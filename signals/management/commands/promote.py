"""manage.py promote: a candidate through the gate, into shadow, or the live model back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from signals.models import ModelVersion
from signals.risk.learned import UnusableModel
from signals.risk.live import live_model
from signals.training import heldout, promotion


class Command(BaseCommand):
    help = "Promotes a model through the gate (default: the newest trained one), or takes the live one back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="which version; default: the newest trained one")
        parser.add_argument("--to-shadow", action="store_true", help="let it score beside the live one")
        parser.add_argument("--rollback", action="store_true", help="take the live model back")
        parser.add_argument("--because", default="", help="the reason, kept with the row")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["rollback"] and (options["name"] or options["to_shadow"]):
            raise CommandError(
                "--rollback takes the live model back: it goes with neither a name nor --to-shadow."
            )
        try:
            if options["rollback"]:
                row = promotion.roll_back(because=options["because"], now=now)
                self.stdout.write(
                    f"“{row.candidate.name}” is live again; everybody is scored anew bit by bit."
                )
                self._warn(row)
                return
            candidate = self._candidate(options["name"])
            if options["to_shadow"]:
                promotion.to_shadow(candidate=candidate, because=options["because"], now=now)
                self.stdout.write(
                    f"“{candidate.name}” scores beside the live model from now on, shown to nobody."
                )
                return
            evidence = heldout.evidence(candidate=candidate, compared_with=live_model(now=now), now=now)
            row = promotion.promote(
                candidate=candidate, evidence=evidence, now=now, because=options["because"]
            )
        except promotion.Refused as refused:
            self._print(refused.promotion)
            raise CommandError(f"The gate refused “{refused.promotion.candidate.name}”.") from refused
        except (
            promotion.AlreadyLive,
            promotion.Overtaken,
            promotion.NothingToTakeBack,
            promotion.ReasonMissing,
            promotion.NotFit,
            heldout.NothingHeldOut,
            UnusableModel,
        ) as fault:
            raise CommandError(str(fault)) from fault
        self._print(row)
        self.stdout.write(f"“{candidate.name}” is live; everybody is scored anew bit by bit.")

    def _candidate(self, name: str | None) -> ModelVersion:
        if name:
            found = ModelVersion.objects.filter(name=name).first()
            if found is None:
                known = ", ".join(ModelVersion.objects.order_by("name").values_list("name", flat=True)[:20])
                raise CommandError(f"There is no model “{name}”. There are: {known or 'none yet'}.")
            return found
        newest = ModelVersion.objects.exclude(artefact=None).order_by("-created_at", "-pk").first()
        if newest is None:
            raise CommandError("No model has been trained yet: run manage.py train first.")
        return newest

    def _print(self, row: Any) -> None:
        comparison = promotion.comparison_of(row)
        for check in comparison.checks if comparison else ():
            mark = self.style.SUCCESS("pass") if check.passes else self.style.ERROR("FAIL")
            self.stdout.write(f"{mark}  {check.question}\n      {check.says}")

    def _warn(self, row: Any) -> None:
        comparison = promotion.comparison_of(row)
        if comparison is not None and not comparison.passes:
            self.stdout.write(self.style.WARNING(comparison.refusal))
