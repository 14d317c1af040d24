"""All sources on one page: how each is doing, what was found, and what to do."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db.models import Max, Min, Sum

from signals import quarantine
from signals.models import (
    ContractBreach,
    Credential,
    Finding,
    SourceDay,
    Statement,
    TallyMark,
    UnknownVerb,
)
from signals.quality.monitors import LEAST_WEEKS

WEEKS = 8
WRITING = {Credential.Permission.WRITE, Credential.Permission.BULK, Credential.Permission.ALL}
CLOSED_LATELY = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Week:
    """How many statements came in the week that began on a Monday."""

    monday: date
    statements: int


@dataclass(slots=True)
class Source:
    """One line of the page."""

    pk: UUID
    name: str
    state: str  # in words
    tone: str  # good, warn, new or off
    last_heard_at: datetime | None
    weeks: list[Week]  # the last one is not over yet
    findings: list[Finding]

    @property
    def trend(self) -> str:
        """The volume in words, for those who do not see the drawing."""
        if not any(week.statements for week in self.weeks):
            return f"No statements in the last {WEEKS} weeks."
        numbers = ", ".join(f"{week.statements:,}" for week in self.weeks[:-1])
        return (
            f"Statements per week, oldest first: {numbers}; this week so far {self.weeks[-1].statements:,}."
        )


@dataclass(slots=True)
class Overview:
    """Everything the page shows."""

    sources: list[Source]
    of_models: list[Finding]  # open findings about models
    closed: list[Finding]
    counted_through: datetime | None
    quarantined: int
    parked: int
    unknown_verbs: int
    breaches: list[ContractBreach]  # data contracts that are not kept

    @property
    def found(self) -> int:
        """How many sources need a look."""
        return sum(1 for source in self.sources if source.findings)


def overview(*, now: datetime) -> Overview:
    """How every source that may write is doing. Ten queries, however many sources there are."""
    today = now.astimezone(UTC).date()
    credentials = [one for one in Credential.objects.order_by("name", "pk") if WRITING & set(one.permissions)]
    findings: dict[UUID, list[Finding]] = defaultdict(list)
    of_models = []
    for finding in Finding.objects.open().select_related("model").order_by("opened_at", "pk"):
        if finding.source_id is None:
            of_models.append(finding)
        else:
            findings[finding.source_id].append(finding)
    spans = {
        row["source"]: row
        for row in SourceDay.objects.order_by()
        .values("source")
        .annotate(first=Min("day"), last_at=Max("last_at"))
    }
    weeks = _weeks([one.pk for one in credentials], today)
    sources = []
    for one in credentials:
        span = spans.get(one.pk)
        state, tone = _state(one, findings[one.pk], span["first"] if span else None, today)
        sources.append(
            Source(
                pk=one.pk,
                name=one.name if one.source_name == one.name else f"{one.source_name}: {one.name}",
                state=state,
                tone=tone,
                last_heard_at=span["last_at"] if span else None,
                weeks=weeks[one.pk],
                findings=findings[one.pk],
            )
        )
    mark = TallyMark.objects.first()
    return Overview(
        sources=sorted(sources, key=lambda source: (_ORDER[source.tone], source.name)),
        of_models=of_models,
        closed=list(
            Finding.objects.filter(closed_at__gt=now - CLOSED_LATELY)
            .select_related("source", "model")
            .order_by("-closed_at", "-pk")[:20]
        ),
        counted_through=mark.through if mark else None,
        quarantined=sum(quarantine.waiting().values()),
        parked=Statement.objects.filter(parked=True).count(),
        unknown_verbs=UnknownVerb.objects.unmapped().count(),
        breaches=list(ContractBreach.objects.open().select_related("contract").order_by("opened_at", "pk")),
    )


_ORDER = {"warn": 0, "new": 1, "good": 2, "off": 3}


def _state(one: Credential, findings: Sequence[Finding], first: date | None, today: date) -> tuple[str, str]:
    if not one.is_active:
        return "Not watched: its key is not in use", "off"
    if findings:
        return "; ".join(finding.get_kind_display() for finding in findings), "warn"
    if first is None:
        return "Nothing has come yet", "new"
    if (today - first).days < 7 * LEAST_WEEKS:
        return f"Too new to say what is usual (since {first.day} {first:%B})", "new"
    return "As usual", "good"


def _weeks(sources: Iterable[UUID], today: date) -> dict[UUID, list[Week]]:
    """The last eight weeks of each of these sources, this one included."""
    this = today - timedelta(days=today.weekday())
    mondays = [this - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]
    counts = {source: dict.fromkeys(mondays, 0) for source in sources}
    rows = (
        SourceDay.objects.filter(source__in=counts, day__gte=mondays[0], day__lte=today)
        .order_by()
        .values_list("source", "day")
        .annotate(number=Sum("statements"))
    )
    for source, day, number in rows:
        counts[source][day - timedelta(days=day.weekday())] += number
    return {source: [Week(monday, weeks[monday]) for monday in mondays] for source, weeks in counts.items()}
