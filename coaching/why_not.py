"""Why nothing was sent to a learner, as it stood at any moment: each decision with its one reason, in a sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db.models import Prefetch, Q

from coaching.templatetags.rekindle import when
from coaching.why_not_words import CHANGES, NEVER, NOTHING, STEPS, WHY
from consent import gate
from consent.scopes import Scope
from interventions.models import Approval, Decision, Delivery, Policy, Watch
from interventions.models.holding import HoldReason
from interventions.policy import store
from interventions.policy.document import Document
from interventions.value import Worth, probability, spread_of
from interventions.wordlist import REASONS
from learners import access
from learners.models import Enrolment, Learner, Role, User

LOOK_BACK = timedelta(days=14)
MOST = 500  # decisions told of one learner at once
EARLIEST_YEAR = 2000
HUMAN = {"coach_asked", "manager_asked"}


@dataclass(frozen=True)
class Told:
    """What was decided, once or several times in a row for the same reason."""

    course: str
    what: str
    why: str
    change: str  # empty: nothing would have to
    tone: str  # good, held or person; else neutral
    at: datetime | None = None
    until: datetime | None = None  # of the last one in a row
    times: int = 1
    key: str = ""
    total: str = ""  # the sum behind it, for those who answer for it


@dataclass(frozen=True)
class WhyNot:
    """One learner at one moment."""

    at: datetime
    standing: list[Told]  # a line for each course
    before: list[Told]  # the two weeks up to that moment, the latest first
    is_cut: bool  # there was more than is told


def who_may_be_asked_about(user: User, *, now: datetime) -> Any:
    """The learners a coach or administrator may open here; nobody for anybody else.

    An administrator: everybody. A coach: those in their care (or in nobody's) who let coaches see them.
    """
    if user.has_role(Role.ADMIN):
        return Learner.objects.visible_to(user)
    willing = gate.filter_allowed(set(access.in_care_of(user, on=now.date())), Scope.COACH)
    return Learner.objects.visible_to(user).filter(pk__in=willing)


def may_be_asked_about(user: User, learner: Learner) -> bool:
    """The same of one learner whose case this coach may see, which says that they are in the coach's care."""
    willing = user.has_role(Role.ADMIN) or gate.allows(learner.pk, Scope.COACH)
    return willing and Learner.objects.visible_to(user).filter(pk=learner.pk).exists()


def why_not(learner: Learner, *, at: datetime, language: str, with_sums: bool = False) -> WhyNot:
    """Everything that was decided up to this moment and why nothing was sent; a fixed number of queries."""
    language = "de" if language.startswith("de") else "en"
    enrolments = list(
        Enrolment.objects.filter(learner=learner, enrolled_at__lte=at)
        .select_related("course", "risk")
        .defer("risk__reasons")
        .order_by("course__name", "pk")
    )
    latest = {
        decision.enrolment_id: decision
        for decision in _reading(
            Decision.objects.filter(enrolment__in=enrolments, at__lte=at)
            .order_by("enrolment_id", "-at", "-pk")
            .distinct("enrolment_id")
        )
    }
    past = list(
        _reading(
            Decision.objects.filter(enrolment__learner=learner, at__lte=at, at__gt=at - LOOK_BACK).order_by(
                "-at", "-pk"
            )
        )[: MOST + 1]
    )
    policies = {one.policy_id for one in (*latest.values(), *past)} if with_sums else set()
    documents = {pk: store.document(row) for pk, row in Policy.objects.in_bulk(policies).items()}
    tell = _Teller(at, language, documents)
    if not enrolments:
        standing = [tell.never("", "no_enrolment")]
    else:
        watched = _is_watched(learner)
        pilot = store.document(store.live()).pilot_courses
        standing = [
            tell.decision(latest[one.pk])
            if one.pk in latest
            else tell.never(one.course.name, _never(one, watched=watched, pilot=pilot))
            for one in enrolments
        ]
    return WhyNot(
        at=at,
        standing=standing,
        before=_in_a_row(tell.decision(one) for one in past[:MOST]),
        is_cut=len(past) > MOST,
    )


def _reading(decisions: Any) -> Any:
    """With everything the one reason may rest on."""
    return (
        decisions.select_related(
            "enrolment__course",
            "suppression__lost_to__enrolment__course",
            "approval",
            "hold",
            "manager_ask",
        )
        .prefetch_related(Prefetch("deliveries", queryset=Delivery.objects.defer("subject", "body")))
        .defer("snapshot", "suppression__lost_to__snapshot", "suppression__lost_to__eligible")
    )


def _is_watched(learner: Learner) -> bool:
    return gate.allows(learner.pk, Scope.RECORD) and gate.allows(learner.pk, Scope.PROFILE)


def _never(enrolment: Enrolment, *, watched: bool, pilot: tuple[str, ...]) -> str:
    """Why nothing was ever evaluated about a course."""
    if not watched:
        return "no_consent"
    if pilot and enrolment.course.iri not in pilot:
        return "not_in_pilot"
    risk = getattr(enrolment, "risk", None)
    if risk is None:
        return "never_known"
    return "too_little_known" if risk.value is None else "never_looked"


def _in_a_row(told: Iterable[Told]) -> list[Told]:
    """The latest first; what was decided again for the same reason is told once, with how often."""
    rows: list[Told] = []
    for one in told:
        last = rows[-1] if rows else None
        if last is not None and (last.course, last.what, last.why) == (one.course, one.what, one.why):
            rows[-1] = Told(
                **{**vars(last), "at": one.at, "times": last.times + 1, "until": last.until or last.at}
            )
        else:
            rows.append(one)
    return rows


class _Teller:
    """Tells decisions as they stood at a moment, in one language."""

    def __init__(self, at: datetime, language: str, policies: Mapping[int, Document]) -> None:
        self.at, self.language = at, language
        self.policies = policies  # of the decisions whose sums are told

    def never(self, course: str, key: str) -> Told:
        return Told(course, NEVER[self.language], self._why(key), self._change(key), "held", key=key)

    def decision(self, decision: Decision) -> Told:
        """What was decided, and its one primary reason."""
        key, values = self._reason(decision)
        acting = STEPS[self.language].get(decision.action)
        tone = "good" if key == "sent" else "person" if key in HUMAN else "held" if acting else ""
        return Told(
            course=decision.enrolment.course.name,
            what=acting or NOTHING[self.language],
            why=self._why(key, **values),
            change=self._change(key),
            tone=tone,
            at=decision.at,
            key=key,
            total=self._total(decision),
        )

    def _total(self, decision: Decision) -> str:
        policy = self.policies.get(decision.policy_id)
        return _sum(decision, policy) if policy is not None else ""

    def _reason(self, decision: Decision) -> tuple[str, dict[str, str]]:
        if decision.action == "monitor":
            key, _, name = (decision.reasons[0] if decision.reasons else "erased").partition(":")
            return key, {"what": name}
        suppression = getattr(decision, "suppression", None)
        if suppression is not None and suppression.at <= self.at:
            return suppression.reason, {"what": self._lost_to(suppression.lost_to) or self._held_by(decision)}
        deliveries = list(decision.deliveries.all())
        if any(one.sent_at is not None and one.sent_at <= self.at for one in deliveries):
            return "sent", {}
        ask = getattr(decision, "manager_ask", None)
        if ask is not None and ask.asked_at <= self.at:
            return "manager_asked", {}
        if decision.action == "coach":
            return "coach_asked", {}
        approval: Approval | None = getattr(decision, "approval", None)
        if approval is not None and (approval.answered_at is None or approval.answered_at > self.at):
            return "waits_for_yes", {}
        hold = getattr(decision, "hold", None)
        if hold is not None and hold.since <= self.at < hold.until:
            return "held", {"moment": when(hold.until), "what": self._held_by(decision)}
        waiting = [one for one in deliveries if one.state == Delivery.State.QUEUED]
        if waiting:
            return "waits_for_hour", {"moment": when(min(one.due_at for one in waiting))}
        if any(one.state in (Delivery.State.CLAIMED, Delivery.State.SENDING) for one in deliveries):
            return "being_sent", {}
        return "on_its_way", {}

    def _held_by(self, decision: Decision) -> str:
        hold = getattr(decision, "hold", None)
        if hold is None:
            return ""
        return str(hold.name or HoldReason(hold.reason).label)

    def _lost_to(self, winner: Decision | None) -> str:
        if winner is None:
            return ""
        step = STEPS[self.language].get(winner.action, winner.action)
        return f"{step}, {winner.enrolment.course.name}"

    def _why(self, key: str, **values: str) -> str:
        words = WHY[self.language]
        text = words.get(key) or REASONS[self.language].get(key) or words["other"]
        told = text.format(**{"what": "", "moment": "", **values})
        return told.replace(": .", ".")

    def _change(self, key: str) -> str:
        return CHANGES[self.language].get(key, "")


def _sum(decision: Decision, policy: Document) -> str:
    """lift × value − cost of what was chosen, or would have been, with how sure that is; empty where there is none."""
    sums = [msgspec.convert(one, Worth) for one in decision.eligible]
    wanted = next(
        (
            one
            for one in sums
            if one.action == decision.action
            or (decision.action == "monitor" and one.expected == decision.expected_value)
        ),
        None,
    )
    if wanted is None:
        return ""
    rests = f"{wanted.compared} people compared" if wanted.compared else "a stated prior"
    return (
        f"{wanted.lift:.1%} ± {spread_of(wanted, policy):.1%} × {wanted.value:g} min − {wanted.cost:g} min = "
        f"{wanted.expected:.1f} min; pays with {probability(wanted, policy):.0%} (lift: {rests})"
    )


def next_look(learner: Learner) -> datetime | None:
    """When something could next become true by time alone; None where only events can."""
    return (
        Watch.objects.filter(Q(enrolment__learner=learner), review_at__isnull=False)
        .order_by("review_at")
        .values_list("review_at", flat=True)
        .first()
    )
