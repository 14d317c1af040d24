"""Loads the sample organisation and lets its past days pass, as they would have, through the real path."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from coaching.demo import organisation, script
from coaching.demo.endpoint import Endpoint
from coaching.demo.importing import send
from coaching.demo.layer import layer
from coaching.models import Case
from config.stages import run_all
from interventions.models import Decision, Delivery, ManagerAsk
from learners.models import Role, User
from signals.models import TrainingRun
from signals.training import nightly

PILOT_DAY = 21  # until then everybody only learns
QUIET_DAYS = 2  # of late nobody acted, so that something waits for whoever signs in
MORNING, AFTERNOON = time(9, 30), time(15, 0)


class Command(BaseCommand):
    help = "Loads the sample organisation; later runs let the days pass that have passed since."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IN_PRODUCTION:
            raise CommandError("The sample organisation does not belong in production.")
        if not settings.DELIVERY_SANDBOX:
            raise CommandError("Its people do not exist, so nothing may be sent to them: unset EMAIL_URL.")
        now = timezone.now()
        sample = organisation.load(now=now)
        writer = sample.imported.writer
        endpoint = Endpoint("Sample organisation", now)
        today = writer.day_of(now.astimezone(UTC).date())
        first = self._next_day(writer.starts_on)
        days = range(first, today + 1)
        if first == PILOT_DAY:
            # Day by day from here on; before, one long delivery.
            total = sample.tables.count_clicks(sample.run, to_day=PILOT_DAY - 2)
            with tqdm(
                total=total, desc="Sending the first three weeks", unit=" statements", disable=None
            ) as bar:
                send(sample.tables, sample.imported, endpoint, to_day=PILOT_DAY - 2, progress=bar.update)
            self._send_layer(sample, endpoint, 0, PILOT_DAY - 2)
        with tqdm(days, desc="Letting the days pass", unit=" days", disable=None) as bar:
            for day in bar:
                self._pass(sample, endpoint, day, today, now)
        run_all(now=timezone.now(), only=("tally",))  # the data quality page is true from the first look on
        # And the page of models says in words what a night came to: the one run goes on, nothing is to be learned yet.
        if not TrainingRun.objects.exists():
            nightly.run(now=timezone.now())
        self._say(sample)  # where no day has passed, the beat looks after what time alone has changed

    @staticmethod
    def _next_day(starts_on: Any) -> int:
        """The first day of the run that has not passed here yet."""
        last = Decision.objects.order_by("-at").values_list("at", flat=True).first()
        if last is None:
            return PILOT_DAY
        return max(PILOT_DAY, (last.astimezone(UTC).date() - starts_on).days + 1)

    @staticmethod
    def _pass(sample: organisation.Sample, endpoint: Endpoint, day: int, today: int, now: datetime) -> None:
        """One day: what was learned the day before arrives, the stages run, people act."""
        Command._send_layer(sample, endpoint, day - 1, day - 1)
        send(sample.tables, sample.imported, endpoint, from_day=day - 1, to_day=day - 1)
        date = sample.imported.writer.starts_on + timedelta(days=day)
        zone = ZoneInfo(settings.ORGANISATION_TIME_ZONE)
        morning = min(datetime.combine(date, MORNING, zone).astimezone(UTC), now)
        run_all(now=morning)
        if date.weekday() < 5 and day <= today - QUIET_DAYS:
            script.play(now=morning + timedelta(hours=1, minutes=30))
            # What people approved goes out the same day.
            run_all(now=datetime.combine(date, AFTERNOON, zone).astimezone(UTC), only=("deliver", "collect"))

    @staticmethod
    def _send_layer(sample: organisation.Sample, endpoint: Endpoint, first: int, last: int) -> None:
        people, starts_on = sample.imported.learners, sample.imported.writer.starts_on
        endpoint.send(layer(people, starts_on=starts_on, first=first, last=last))

    def _say(self, sample: organisation.Sample) -> None:
        """One sign-in for each kind of user, chosen so that each has something to see."""
        card = (
            Delivery.objects.filter(channel="card", state="sent", decision__answer__isnull=True)
            .exclude(decision__episode__closed_at__isnull=False)
            .order_by("-sent_at", "pk")
            .first()
        ) or Delivery.objects.filter(channel="card", state="sent").order_by("-sent_at", "pk").first()
        learner = (
            User.objects.get(learner_id=card.learner_id)
            if card
            else User.objects.filter(roles__contains=[Role.LEARNER]).order_by("pk")[0]
        )
        asked = ManagerAsk.objects.filter(state="open").values_list("manager_id", flat=True)
        manager = max(sample.managers, key=lambda user: (list(asked).count(user.pk), user.login))
        waiting = Case.objects.filter(state="open").values_list("assignee_id", flat=True)
        coach = max(sample.coaches, key=lambda user: (list(waiting).count(user.pk), user.login))
        self.stdout.write("\nSample organisation: Harrowgate Lines (invented names, real learning records).")
        self.stdout.write(f"Sign in with the password {organisation.PASSWORD} as")
        for kind, login in (
            ("learner", learner.login),
            ("manager", manager.login),
            ("coach", coach.login),
            ("admin", f"admin@{organisation.DOMAIN}"),
            ("reviewer", f"reviewer@{organisation.DOMAIN}"),
        ):
            self.stdout.write(f"  {kind:<9}{login}")
