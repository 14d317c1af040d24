"""Makes two records of one person one, in one transaction, with a journal of every row that changed.

Rows are locked in the order of docs/architecture.md by everybody who merges: both people's consent (as a withdrawal
does), the marks and watches of their enrolments, the learners by id, their enrolments.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from consent import audit, gate, record
from consent.actors import Party
from consent.models import Standing
from consent.scopes import Scope
from learners.merging import journal
from learners.merging.journal import Journal, Watched
from learners.merging.registry import merging_modules
from learners.models import (
    BaselineSkill,
    CoachConflict,
    DeclaredAttribute,
    Enrolment,
    Goal,
    Identifier,
    Learner,
    LinkCandidate,
    LinkRecord,
    Merge,
    Oversight,
    Preferences,
    Role,
    User,
)


class CannotMerge(Exception):
    """These two records cannot become one now; the message says what to do first."""


@dataclass
class Plan:
    """What goes where. An enrolment stays with the duplicate where the person has the same one twice."""

    duplicate: UUID
    into: UUID
    now: datetime
    moved: list[int] = field(default_factory=list)
    staying: dict[int, int] = field(default_factory=dict)  # the duplicate's enrolment → the one that is kept

    @property
    def both(self) -> tuple[UUID, UUID]:
        return (self.duplicate, self.into)

    @property
    def enrolments(self) -> list[int]:
        """Every enrolment that is touched."""
        return sorted({*self.moved, *self.staying, *self.staying.values()})


def merge(
    *,
    duplicate: UUID,
    into: UUID,
    by: Party,
    now: datetime,
    candidate: LinkCandidate | None = None,
) -> Merge:
    """The merge, done. Raises CannotMerge, and then nothing has changed.

    What the duplicate's person did, was enrolled in and was named by becomes the other's. The stricter consent wins.
    The duplicate's row stays, without anything, pointing to the one that is kept.
    """
    if duplicate == into:
        raise CannotMerge("These are one record already.")
    try:
        with transaction.atomic():
            plan = _plan(duplicate, into, now)
            noted = Journal(watched(plan.both))
            record.merge(duplicate=duplicate, into=into, by=by, now=now)
            _move_own(plan)
            for _, module in merging_modules():
                if hasattr(module, "merge"):
                    module.merge(plan, noted)
            record.enforce(subject=into, now=now)
            done = Merge.objects.create(
                kept_id=into,
                duplicate_id=duplicate,
                candidate=candidate,
                evidence=candidate.evidence if candidate else {},
                plan={"moved": plan.moved, "staying": {str(d): s for d, s in plan.staying.items()}},
                by_kind=by.kind,
                by_uuid=by.uuid,
                at=now,
            )
            steps = noted.steps()
            journal.store(done, steps)
            audit.record(
                actor=by,
                action="learners.merged",
                target=Party("learner", into),
                now=now,
                detail={
                    "merge": str(done.pk),
                    "learners": [str(duplicate), str(into)],
                    "rows": sum(len(step.keys) for step in steps),
                },
            )
    except IntegrityError as fault:
        raise CannotMerge(
            f"The two records contradict each other in a way that a person must mend first ({_name(fault)})."
        ) from fault
    return done


def watched(both: tuple[UUID, UUID]) -> list[Watched]:
    """Everything a merge of these two may change, besides what is noted as it moves."""
    mine = Q(learner__in=both)
    own = [
        Watched(Standing, Q(subject__in=both)),
        Watched(Learner, Q(pk__in=both)),
        Watched(User, mine),
        Watched(Identifier, mine),
        Watched(Enrolment, mine),
        *(
            Watched(model, mine)
            for model in (Oversight, BaselineSkill, Goal, Preferences, DeclaredAttribute, CoachConflict)
        ),
        Watched(LinkRecord, mine),
        Watched(LinkCandidate, Q(left__learner__in=both) | Q(right__learner__in=both)),
    ]
    return own + [
        one for _, module in merging_modules() if hasattr(module, "watched") for one in module.watched(both)
    ]


def lock(both: Iterable[UUID]) -> dict[UUID, Learner]:
    """The two learners, and everything that others lock before them, locked in the one order."""
    people = sorted(both)
    for subject in people:
        for scope in sorted(Scope):
            gate.locked_standing(subject, scope)
    for _, module in merging_modules():
        if hasattr(module, "lock"):
            module.lock(people)
    rows = Learner.objects.select_for_update(of=("self",)).filter(pk__in=people).order_by("pk")
    found = {learner.pk: learner for learner in rows}
    list(Enrolment.objects.select_for_update(of=("self",)).filter(learner__in=people).order_by("pk"))
    return found


def _plan(duplicate: UUID, into: UUID, now: datetime) -> Plan:
    learners = lock((duplicate, into))
    for pk in (duplicate, into):
        learner = learners.get(pk)
        if learner is None:
            raise CannotMerge("One of the two records does not exist.")
        if learner.erased_at is not None:
            raise CannotMerge(f"{learner.pseudonym} has been erased: nothing of it is left to merge.")
        if learner.merged_into_id is not None:
            raise CannotMerge(f"{learner.pseudonym} is merged into another record already.")
    plan = Plan(duplicate, into, now)
    _plan_enrolments(plan)
    _refuse_two_accounts(plan)
    for _, module in merging_modules():
        if hasattr(module, "refuses") and (sentence := module.refuses(plan)):
            raise CannotMerge(sentence)
    return plan


def _plan_enrolments(plan: Plan) -> None:
    for mine, twin in twins(plan):
        if twin is None:
            plan.moved.append(mine.pk)
        elif (twin.state == Enrolment.State.ACTIVE) != (mine.state == Enrolment.State.ACTIVE):
            raise CannotMerge(
                f"Both are enrolled in {mine.course.name} from {mine.starts_on}; one enrolment is active and the other "
                "has ended. End the one, or correct the other, first."
            )
        else:
            plan.staying[mine.pk] = twin.pk


def twins(plan: Plan) -> list[tuple[Enrolment, Enrolment | None]]:
    """Each of the duplicate's enrolments, and the other's that it cannot stand beside."""
    kept = list(Enrolment.objects.filter(learner=plan.into).select_related("course").order_by("pk"))
    return [
        (
            mine,
            next(
                (
                    other
                    for other in kept
                    if other.course_id == mine.course_id
                    and (
                        other.starts_on == mine.starts_on
                        or other.state == mine.state == Enrolment.State.ACTIVE
                    )
                ),
                None,
            ),
        )
        for mine in Enrolment.objects.filter(learner=plan.duplicate).select_related("course").order_by("pk")
    ]


def _refuse_two_accounts(plan: Plan) -> None:
    accounts = {user.learner_id: user for user in User.objects.filter(learner__in=plan.both)}
    mine = accounts.get(plan.duplicate)
    if mine is None or plan.into not in accounts or not mine.is_active:
        return
    if set(mine.roles) - {Role.LEARNER}:
        raise CannotMerge(
            "Both have an account, and the duplicate's may do more than learn. Give its roles to the other account and "
            "close it first."
        )


def _move_own(plan: Plan) -> None:
    Identifier.objects.filter(learner=plan.duplicate).update(learner=plan.into)
    Enrolment.objects.filter(pk__in=plan.moved).update(learner=plan.into)
    taken = Oversight.objects.filter(learner=plan.into, to_date__isnull=True).values_list("kind", flat=True)
    theirs = Oversight.objects.filter(learner=plan.duplicate)
    theirs.exclude(to_date__isnull=True, kind__in=list(taken)).update(learner=plan.into)
    same = BaselineSkill.objects.filter(
        learner=plan.into,
        **{name: OuterRef(name) for name in ("competency", "source", "as_of")},
    )
    BaselineSkill.objects.filter(~Exists(same), learner=plan.duplicate).update(learner=plan.into)
    said = DeclaredAttribute.objects.filter(learner=plan.into, name=OuterRef("name"))
    DeclaredAttribute.objects.filter(~Exists(said), learner=plan.duplicate).update(learner=plan.into)
    Goal.objects.filter(learner=plan.duplicate).update(learner=plan.into)
    apart = CoachConflict.objects.filter(learner=plan.into, user=OuterRef("user"))
    CoachConflict.objects.filter(~Exists(apart), learner=plan.duplicate).update(learner=plan.into)
    if not Preferences.objects.filter(learner=plan.into).exists():
        Preferences.objects.filter(learner=plan.duplicate).update(learner=plan.into)
    account = User.objects.filter(learner=plan.duplicate)
    if User.objects.filter(learner=plan.into).exists():
        account.update(is_active=False)  # one person, one sign-in
    else:
        account.update(learner=plan.into)
    Learner.objects.filter(pk=plan.duplicate).update(merged_into=plan.into)
    # Whoever was asked whether the duplicate is a third record need not answer; the one that is kept is compared anew.
    LinkCandidate.objects.filter(
        Q(left__learner=plan.duplicate) | Q(right__learner=plan.duplicate), state=LinkCandidate.State.WAITING
    ).update(state=LinkCandidate.State.MOOT)


def _name(fault: IntegrityError) -> str:
    """The constraint that refused, which says what went wrong in plain words."""
    cause: Any = fault.__cause__
    name: str | None = getattr(getattr(cause, "diag", None), "constraint_name", None)
    return (name or "unknown constraint").replace("_", " ")
