"""Not sure is never silence: a bounded number of people we know too little about is put before a human.

Which ones is drawn by hash, so that everybody has a chance, nobody can pick, and a replay draws the same. What the
human says becomes a label, and says how well "not sure" and the flags themselves do.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, TextField, Value, Window
from django.db.models.functions import MD5, Cast, Concat, RowNumber

from consent import gate
from consent.scopes import Scope
from learners.models import Enrolment, OrgUnit
from signals import labels
from signals.models import Risk, SecondLook, SecondLookBudget

PER_WEEK = 5  # where no administrator has said otherwise
AGAIN_AFTER = timedelta(days=28)  # nobody is drawn twice within this time
ANSWER_WITHIN = timedelta(days=14)  # older questions are about another day
NEEDED_HELP = "needed_help@1"
LONGEST_NOTE = 2000
_SCOPES = (Scope.RECORD, Scope.PROFILE, Scope.COACH)
_MOST = 1000


class AlreadyAnswered(ValueError):
    """Somebody answered this second look, or it was called off."""


class NoSuchAnswer(ValueError):
    """That is none of the answers a person can give."""


def ask(
    enrolment_ids: Sequence[int],
    *,
    kind: str,
    now: datetime,
    chance: float | None = None,
) -> int:
    """How many second looks were asked for anew: at most one open for each enrolment and kind.

    Left out: those who have finished or left, and those who do not let their activity be used or a coach look.
    """
    rows = _askable(Enrolment.objects.filter(pk__in=list(enrolment_ids)), now=now)
    waiting = SecondLook.objects.open().filter(enrolment=OuterRef("pk"), kind=kind)
    wanted = list(rows.exclude(Exists(waiting)).order_by("pk").values_list("pk", flat=True))
    SecondLook.objects.bulk_create(
        [SecondLook(enrolment_id=pk, kind=kind, asked_at=now, chance=chance) for pk in wanted],
        ignore_conflicts=True,
    )
    return len(wanted)


def draw(*, now: datetime, limit: int = _MOST) -> int:
    """How many second looks were asked for or called off: fills this week's budget of each unit from its abstained."""
    done = _call_off(now)
    budgets = _budgets(now)
    if not any(budgets.values()):
        return done
    monday = _monday(now)
    drawn_lately = SecondLook.objects.filter(
        Q(answered_at__isnull=True) | Q(kind=SecondLook.Kind.NOT_SURE, asked_at__gt=now - AGAIN_AFTER),
        enrolment=OuterRef("pk"),
    )
    unsure = _askable(
        Enrolment.objects.filter(
            pk__in=Risk.objects.filter(value__isnull=True).order_by().values("pk"),
            starts_on__lte=now.astimezone(UTC).date(),
        ),
        now=now,
    ).exclude(Exists(drawn_lately))
    unit = F("learner__unit")
    ticket = MD5(Concat(Value(f"not_sure:{monday}:"), Cast("pk", TextField()), output_field=TextField()))
    rows = (
        unsure.annotate(
            place=Window(RowNumber(), partition_by=[unit], order_by=[ticket, F("pk")]),
            of=Window(Count("pk"), partition_by=[unit]),
        )
        .filter(place__lte=max(budgets.values()))
        .order_by("learner__unit", "place", "pk")
        .values_list("pk", "learner__unit", "place", "of")[:limit]
    )
    asked: dict[float, list[int]] = defaultdict(list)
    default = budgets.get(None, PER_WEEK)
    for pk, in_unit, place, of in rows:
        budget = budgets.get(in_unit, default)
        if place <= budget:
            asked[min(1.0, budget / of)].append(pk)
    with transaction.atomic():
        return done + sum(
            ask(ids, kind=SecondLook.Kind.NOT_SURE, now=now, chance=chance) for chance, ids in asked.items()
        )


def answer(
    *, look: SecondLook, says: str, by: UUID, now: datetime, treated: bool = False, note: str = ""
) -> None:
    """Keeps what a person says after looking, as a label too unless they cannot tell.

    ``treated``: whether somebody acted on this enrolment before the question was answered.
    """
    values = {
        SecondLook.Answer.NEEDS_HELP: True,
        SecondLook.Answer.DOES_NOT: False,
        SecondLook.Answer.CANNOT_TELL: None,
    }
    if says not in values:
        raise NoSuchAnswer("Choose one of the three answers.")
    with transaction.atomic():
        taken = (
            SecondLook.objects.open().filter(pk=look.pk).update(answered_at=now, answer=says, answered_by=by)
        )
        if not taken:
            raise AlreadyAnswered("Somebody was first: this one is answered.")
        if note.strip():
            SecondLook.objects.filter(pk=look.pk).update(note=note.strip()[:LONGEST_NOTE])
        value = values[SecondLook.Answer(says)]
        if value is not None:
            labels.record(
                enrolment_id=look.enrolment_id,
                as_of=look.asked_at,
                definition=NEEDED_HELP,
                value=value,
                horizon_days=labels.DEFINITIONS[NEEDED_HELP].horizon_days,
                treated=treated,
                propensity=None,
                now=now,
            )


def _askable(enrolments: Any, *, now: datetime) -> Any:
    """Those of these enrolments about which a coach may be asked."""
    today = now.astimezone(UTC).date()
    rows = enrolments.filter(
        Q(learner__left_on__isnull=True) | Q(learner__left_on__gt=today),
        state=Enrolment.State.ACTIVE,
        learner__erased_at__isnull=True,
        learner__merged_into__isnull=True,
    )
    for scope in _SCOPES:
        rows = gate.only_allowing(rows, scope)
    return rows


def _call_off(now: datetime) -> int:
    """Questions that nobody answered in time, or whose course is over."""
    stale = SecondLook.objects.open().filter(
        Q(asked_at__lte=now - ANSWER_WITHIN) | ~Q(enrolment__state=Enrolment.State.ACTIVE)
    )
    return stale.update(answer=SecondLook.Answer.NOBODY, answered_at=now)


def _budgets(now: datetime) -> dict[int | None, int]:
    """Unit → how many may still be asked this week; None stands for people without a unit."""
    said: dict[int | None, int] = dict(SecondLookBudget.objects.values_list("unit_id", "per_week"))
    default = said.get(None, PER_WEEK)
    parents = dict(OrgUnit.objects.values_list("pk", "parent_id"))
    asked = dict(
        SecondLook.objects.filter(
            kind=SecondLook.Kind.NOT_SURE,
            asked_at__gte=datetime.combine(_monday(now), datetime.min.time(), UTC),
        )
        .order_by()
        .values_list("enrolment__learner__unit")
        .annotate(number=Count("pk"))
    )

    def of(unit: int | None) -> int:
        for _ in range(64):  # a unit without a number has that of the unit above it
            if unit is None or unit in said:
                break
            unit = parents.get(unit)
        return said[unit] if unit is not None else default

    return {unit: max(of(unit) - asked.get(unit, 0), 0) for unit in [None, *parents]}


def _monday(now: datetime) -> date:
    today = now.astimezone(UTC).date()
    return today - timedelta(days=today.weekday())
