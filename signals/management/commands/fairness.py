"""manage.py fairness: for whom the live model is right, and what a remedy would bring and cost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from signals.models import ModelVersion
from signals.risk.learned import UnusableModel
from signals.risk.live import live_model
from signals.training import audits, heldout
from signals.training.markdown import RATES, figure
from signals.training.remedies import REMEDIES, CannotTry


class Command(BaseCommand):
    help = "Prints how the live model (or another) does by role, unit and declared attribute."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="which version; default: the live one")
        parser.add_argument("--attribute", help="only this one")
        parser.add_argument("--remedy", choices=sorted(REMEDIES), help="try what this would bring and cost")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        model = live_model(now=now)
        if options["name"]:
            found = ModelVersion.objects.filter(name=options["name"]).first()
            if found is None:
                raise CommandError(f"There is no model “{options['name']}”.")
            model = found
        try:
            if options["remedy"]:
                if not options["attribute"]:
                    raise CommandError("Say which gap is to be closed: --attribute NAME.")
                self._remedy(audits.remedy(options["remedy"], attribute=options["attribute"], now=now))
                return
            report = audits.audit(model, now=now)
        except (heldout.NothingHeldOut, CannotTry, UnusableModel) as fault:
            raise CommandError(str(fault)) from fault
        known = [one.name for one in report.attributes]
        if options["attribute"] and options["attribute"] not in known:
            raise CommandError(
                f"Nothing is known of “{options['attribute']}”. There are: {', '.join(known)}."
            )
        for attribute in report.attributes:
            if options["attribute"] in (None, attribute.name):
                self._attribute(attribute)

    def _attribute(self, attribute: Any) -> None:
        for cut in attribute.cuts:
            self.stdout.write(f"\n{attribute.name}: {cut.says}")
            for group in cut.groups:
                rates = (
                    "  ".join(f"{rate} {figure(group.rates.get(rate), 2)}" for rate in RATES)
                    if group.judged
                    else "too small to judge"
                )
                self.stdout.write(f"  {group.name} ({group.people:,} people): {rates}")
            if cut.hidden:
                self.stdout.write(f"  {cut.hidden} groups of fewer than five people are not shown.")
            gap = cut.gaps.get("tpr")
            if gap:
                self.stdout.write(f"  gap {figure(gap.figure)} between {gap.highest} and {gap.lowest}")

    def _remedy(self, preview: Any) -> None:
        self.stdout.write(f"{preview.remedy.name} by {preview.attribute}, judged on {preview.rows:,} rows")
        for name, pair in preview.metrics.items():
            self.stdout.write(f"  {name}: {pair.old:.3f} → {pair.new:.3f} ({pair.gain})")
        for when, gap in (("without", preview.before), ("with", preview.after)):
            told = (
                f"{figure(gap.figure)} between {gap.highest} and {gap.lowest}" if gap else "cannot be judged"
            )
            self.stdout.write(f"  gap {when} it: {told}")
