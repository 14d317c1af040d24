"""A manager's team as they may see it: at most three things to do, and otherwise numbers of enough people."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max
from django.db.models.functions import TruncWeek

from coaching.advice import Advice, advice
from coaching.wording import trouble
from consent import gate
from consent.scopes import Scope
from interventions import explain
from interventions.explain import Explanation
from interventions.models import Episode, ManagerAsk
from learners import access
from learners.models import Enrolment, Learner, User
from signals.models import DailyRollup, Risk

SMALLEST_GROUP = 5
WEEKS = 8
MOST_CARDS = 3


@dataclass(frozen=True)
class Card:
    """One thing the manager is asked to do about one person."""

    ask: ManagerAsk
    name: str
    role: str
    trouble: str
    trouble_icon: str
    why: Explanation
    advice: Advice


@dataclass(frozen=True)
class Week:
    """How many people were active in the week that began on a Monday."""

    monday: date
    active: int
    x: int  # where its bar stands in a drawing of 160 × 56
    height: int

    @property
    def y(self) -> int:
        return 56 - self.height


@dataclass
class Team:
    """What one manager sees."""

    size: int
    refused: int | None  # None: too few people to say how many
    cards: list[Card] = field(default_factory=list)
    taken: list[Card] = field(default_factory=list)
    handled: int | None = None
    recovered: int | None = None
    well_done: list[str] = field(default_factory=list)  # people the manager had been asked about
    trend: list[Week] = field(default_factory=list)
    sharing: int = 0
    data_until: datetime | None = None
    learners: list[Learner] = field(default_factory=list)  # whose names are shown


def reports_of(user: User, *, now: datetime) -> list[UUID]:
    """The learners this user manages today; others whom they may see (as coach or admin) are left out."""
    seen = list(Learner.objects.visible_to(user).current_staff(now.date()).values_list("pk", flat=True))
    managers = access.manager_of(seen, on=now.date())
    return [pk for pk in seen if pk in managers and managers[pk].pk == user.pk]


def open_asks(user: User, sharing: Iterable[UUID]) -> list[ManagerAsk]:
    """What the manager is asked now (at most three, in their order), then what they said they would do."""
    asks = (
        ManagerAsk.objects.filter(
            manager=user,
            enrolment__learner_id__in=list(sharing),
            state__in=(ManagerAsk.State.OPEN, ManagerAsk.State.ACCEPTED),
        )
        .select_related(
            "enrolment__learner__job_role",
            "enrolment__course",
            "decision__episode",
            "decision__policy",
            "decision__enrolment__course",
        )
        .defer("decision__policy__document", "decision__eligible")
        .order_by("place", "asked_at", "pk")
    )
    return list(asks)


def team(user: User, *, now: datetime) -> Team:
    """The manager's page: consent is asked first, and whoever refuses appears nowhere."""
    reports = reports_of(user, now=now)
    sharing = gate.filter_allowed(reports, Scope.MANAGER)
    enough = len(sharing) >= SMALLEST_GROUP
    asks = open_asks(user, sharing)
    cards = [_card(ask, user) for ask in asks if ask.state == ManagerAsk.State.OPEN][:MOST_CARDS]
    taken = [_card(ask, user) for ask in asks if ask.state == ManagerAsk.State.ACCEPTED]
    built = Team(
        size=len(reports),
        refused=len(reports) - len(sharing) if len(reports) >= SMALLEST_GROUP else None,
        cards=cards,
        taken=taken,
        sharing=len(sharing),
        data_until=Risk.objects.filter(enrolment__learner_id__in=sharing).aggregate(at=Max("as_of"))["at"],
    )
    people = {card.ask.enrolment.learner for card in (*cards, *taken)}
    if enough:
        asked_about = {card.ask.enrolment_id for card in (*cards, *taken)}
        built.handled = (
            Episode.objects.filter(
                enrolment__learner_id__in=sharing, closed_at__isnull=True, rule__isnull=True
            )
            .exclude(enrolment_id__in=asked_about)
            .aggregate(people=Count("enrolment__learner_id", distinct=True))["people"]
        )
        built.trend = _trend(sharing, now)
    recovered = Episode.objects.filter(
        enrolment__learner_id__in=sharing, end=Episode.End.RECOVERED, closed_at__gte=now - timedelta(days=7)
    )
    if enough:
        built.recovered = recovered.aggregate(people=Count("enrolment__learner_id", distinct=True))["people"]
    # A recovery tells that there was trouble: by name only where the manager had been told so before.
    known = Learner.objects.filter(
        pk__in=Enrolment.objects.filter(
            episodes__in=recovered, episodes__decisions__manager_ask__manager=user
        ).values("learner_id")
    ).order_by("pk")
    built.well_done = [learner.name or learner.pseudonym for learner in known]
    built.learners = [*people, *known]
    return built


def _card(ask: ManagerAsk, user: User) -> Card:
    learner = ask.enrolment.learner
    triggers = ask.decision.episode.triggers if ask.decision.episode else []
    words, icon = trouble(triggers)
    return Card(
        ask=ask,
        name=learner.name or learner.pseudonym,
        role=learner.job_role.name if learner.job_role else "Role unknown",
        trouble=words,
        trouble_icon=icon,
        why=explain.why(ask.decision, user.language),
        advice=advice(triggers, user.language),
    )


def _trend(sharing: set[UUID], now: datetime) -> list[Week]:
    """People active per week over the last whole weeks, for comparison with the team's own past only."""
    monday = now.date() - timedelta(days=now.weekday())
    first = monday - timedelta(weeks=WEEKS)
    counted = dict(
        DailyRollup.objects.filter(
            enrolment__learner_id__in=sharing, day__gte=first, day__lt=monday, events__gt=0
        )
        .annotate(week=TruncWeek("day"))
        .order_by()
        .values_list("week")
        .annotate(people=Count("enrolment__learner_id", distinct=True))
    )
    weeks = [first + timedelta(weeks=number) for number in range(WEEKS)]
    if not any(counted.values()):
        return []
    return [
        Week(
            week,
            counted.get(week, 0),
            3 + number * 20,
            max(2, round(56 * counted.get(week, 0) / len(sharing))),
        )
        for number, week in enumerate(weeks)
    ]
