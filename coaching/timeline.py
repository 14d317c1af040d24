"""An episode told from its rows: what was seen, decided, sent or not sent and why, answered, and what came of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from coaching.models import Case, Verdict
from coaching.wording import MEASURED, PROOF, STEPS, TROUBLE, WHERE, day
from interventions.automation import AFTER_A_NO, AS_A_SAMPLE, BY_ITSELF
from interventions.models import (
    Answer,
    Approval,
    Attempt,
    Decision,
    Delivery,
    Episode,
    Escalation,
    HelpRequest,
    Hold,
    ManagerAsk,
    Suppression,
)
from interventions.models.holding import HoldReason
from signals.models import SecondLook

LOOKED = {
    BY_ITSELF: "This route goes out by itself.",
    AS_A_SAMPLE: "This route goes out by itself; a person is asked now and then to check.",
    AFTER_A_NO: "Nobody said yes to this before, so a person is asked again.",
}
_ASKED = {
    HelpRequest.Kind.HELP: "The learner asked for help",
    HelpRequest.Kind.CONTEST: "The learner said that we are wrong",
    HelpRequest.Kind.MANAGER: "The manager asked for a look",
}


@dataclass(frozen=True)
class Entry:
    """One thing that happened, when, and how it went."""

    at: datetime
    icon: str
    title: str
    text: str = ""
    tone: str = ""  # good, held or person; else neutral


def timeline(episode: Episode) -> list[Entry]:
    """Everything that happened in this episode, in order; eight queries at most, whatever its length."""
    names = ", ".join(TROUBLE.get(key, key).lower() for key in episode.triggers)
    began = Entry(episode.signal_at, "eye", "Something was noticed", f"{names.capitalize()}.")
    if episode.rule is not None:
        began = Entry(episode.signal_at, "spark", "A rule applied", f"{episode.rule.title}.")
    entries = [began]
    decisions = (
        Decision.objects.filter(episode=episode)
        .exclude(action="monitor")
        .select_related(
            *(
                "suppression__lost_to__enrolment__course",
                "attempt",
                "answer",
                "approval",
                "manager_ask",
                "hold",
            ),
            *("escalation__attempt", "lesson"),
        )
        .prefetch_related("deliveries", "outcomes")
        .defer("snapshot", "eligible", "suppression__lost_to__snapshot", "suppression__lost_to__eligible")
        .order_by("at", "pk")
    )
    for decision in decisions:
        entries += _decision(decision)
    entries += _people(episode)
    if episode.closed_at is not None:
        tone = "good" if episode.end == Episode.End.RECOVERED else ""
        entries.append(
            Entry(episode.closed_at, "check", f"Ended: {episode.get_end_display().lower()}", "", tone)
        )
    return sorted(entries, key=lambda entry: entry.at)


def _decision(decision: Decision) -> Iterator[Entry]:
    """A step and everything that followed from it."""
    approval: Approval | None = getattr(decision, "approval", None)
    yield from _begun(decision, approval, getattr(decision, "escalation", None))
    hold: Hold | None = getattr(decision, "hold", None)
    if hold is not None:
        what = hold.name or HoldReason(hold.reason).label
        yield Entry(hold.since, "pause", f"Held until {day(hold.until)}", f"{what}.", "held")
    for delivery in decision.deliveries.all():
        where = WHERE[delivery.channel]
        if delivery.sent_at is not None:
            yield Entry(delivery.sent_at, "send", f"Delivered {where}")
        if delivery.state == Delivery.State.FAILED:
            said = "It came back." if delivery.sent_at else "The channel refused it for good."
            at = delivery.sent_at or delivery.claimed_at or delivery.due_at
            yield Entry(at, "pause", f"Could not be delivered {where}", said, "held")
    suppression: Suppression | None = getattr(decision, "suppression", None)
    if suppression is not None:
        yield Entry(suppression.at, "pause", "Not sent", f"{_why_not(suppression)}.", "held")
    answer: Answer | None = getattr(decision, "answer", None)
    if answer is not None:
        said = f"The learner answered: {answer.get_kind_display()}"
        yield Entry(answer.at, "reply", said, " ".join(_judged(None, answer.helped)))
    attempt: Attempt | None = getattr(decision, "attempt", None)
    if attempt is not None and attempt.judged_at is not None:
        if attempt.verdict == Attempt.Verdict.IMPROVED:
            yield Entry(attempt.judged_at, "check", "It helped", "", "good")
        else:
            yield Entry(attempt.judged_at, "clock", "No change", "No improvement when its window closed.")
    yield from _asked(getattr(decision, "manager_ask", None))
    measured = [one for one in decision.outcomes.all() if one.measure in MEASURED]
    for outcome in measured:
        found = {None: "not known", 0.0: "no", 1.0: "yes"}.get(outcome.value, f"{outcome.value}")
        yield Entry(outcome.at, "eye", f"Measured: {MEASURED[outcome.measure]}", f"{found.capitalize()}.")


def _begun(decision: Decision, approval: Approval | None, escalation: Escalation | None) -> Iterator[Entry]:
    """How the step came about, and who said what before it went ahead."""
    step = STEPS.get(decision.action, decision.action)
    rests_on = proof(escalation) if escalation is not None else ""
    if "changed_by_a_person" in decision.reasons:
        yield Entry(decision.at, "user", f"A person chose {step} instead", rests_on, "person")
    elif decision.action == "coach":
        yield Entry(decision.at, "person", "Handed to a person", rests_on, "person")
    else:
        looked = next((LOOKED[reason] for reason in decision.reasons if reason in LOOKED), "")
        waits = "Waits for a person's yes." if approval is not None else ""
        said = " ".join(filter(None, (rests_on, looked, waits)))
        yield Entry(decision.at, "route", f"{'Chose' if approval is None else 'Suggested'} {step}", said)
        if approval is not None and approval.state == Approval.State.APPROVED and approval.answered_at:
            yield Entry(approval.answered_at, "user", "Approved by a person", "", "person")


def _why_not(suppression: Suppression) -> str:
    """The one primary reason, and what won where another step did."""
    said: str = suppression.get_reason_display()
    won = suppression.lost_to
    return f"{said}: {STEPS.get(won.action, won.action)}, {won.enrolment.course.name}" if won else said


def _asked(ask: ManagerAsk | None) -> Iterator[Entry]:
    if ask is None:
        return
    yield Entry(ask.asked_at, "user", "The manager was asked", "", "person")
    if ask.answered_at is None:
        return
    if ask.state == ManagerAsk.State.WITHDRAWN:
        yield Entry(ask.answered_at, "pause", "No longer asked of the manager")
        return
    if ask.state == ManagerAsk.State.OPEN:
        yield Entry(
            ask.answered_at, "reply", "The manager answered: Not now", "It is before them again.", "person"
        )
        return
    said = [f"Back on {day(ask.snoozed_until)}."] if ask.snoozed_until else []
    yield Entry(
        ask.answered_at,
        "reply",
        f"The manager answered: {ask.get_state_display()}",
        " ".join([*said, *_judged(ask.flag_was_right, ask.action_helped)]),
        "person",
    )


def _people(episode: Episode) -> Iterator[Entry]:
    """What people did about it: who asked, whom it was brought to, what they decided, and who looked once more."""
    for case in Case.objects.filter(episode=episode).order_by("opened_at", "pk"):
        because = f"{case.suggested_because[:1].upper()}{case.suggested_because[1:]}."
        yield Entry(
            case.opened_at,
            "person",
            "Brought to a coach",
            because if case.suggested_because else "",
            "person",
        )
    for verdict in Verdict.objects.filter(case__episode=episode).order_by("at", "pk"):
        if verdict.kind not in (Verdict.Kind.APPROVE, Verdict.Kind.CHANGE):  # the step itself tells these
            kind = verdict.get_kind_display().lower()
            yield Entry(verdict.at, "user", f"A coach: {kind}", _verdict(verdict), "person")
    meanwhile = Q(asked_at__gte=episode.signal_at)
    if episode.closed_at is not None:
        meanwhile &= Q(asked_at__lte=episode.closed_at)
    of_this = HelpRequest.objects.filter(
        meanwhile | Q(escalated_at=episode.opened_at), enrolment_id=episode.enrolment_id
    )
    for request in of_this.order_by("asked_at", "pk"):
        yield Entry(request.asked_at, "reply", _ASKED[HelpRequest.Kind(request.kind)], "", "person")
    looks = SecondLook.objects.filter(meanwhile, enrolment_id=episode.enrolment_id).order_by("asked_at", "pk")
    for look in looks.defer("note"):
        if look.answered_at is not None:
            yield Entry(look.answered_at, "eye", f"A second look: {look.get_answer_display().lower()}")


def proof(escalation: Escalation) -> str:
    """Why a person may take over: the failed attempt, or the named exemption."""
    if escalation.exemption:
        return PROOF[escalation.exemption]
    attempt = escalation.attempt
    if attempt is None:
        return ""
    return (
        f"Proof: the automatic step that reached the learner on {attempt.reached_at:%-d %b} "
        f"showed no improvement by {attempt.window_ends_at:%-d %b}."
    )


def _verdict(verdict: Verdict) -> str:
    said = [f"{verdict.get_reason_display()}."] if verdict.reason else []
    return " ".join([*said, *_judged(verdict.flag_was_right, verdict.action_helped)])


def _judged(flag_was_right: bool | None, action_helped: bool | None) -> Iterable[str]:
    """The two questions, each answered for itself."""
    if flag_was_right is not None:
        yield "Help was needed." if flag_was_right else "Help was not needed."
    if action_helped is not None:
        yield "The step helped." if action_helped else "The step did not help."
