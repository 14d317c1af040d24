"""An episode told from its rows: what was seen, decided, sent or not sent and why, answered, and what came of it."""

from dataclasses import dataclass
from datetime import datetime

from coaching.models import Verdict
from coaching.wording import PROOF, STEPS, TROUBLE
from interventions.models import Approval, Attempt, Decision, Delivery, Episode, Escalation, ManagerAsk


@dataclass(frozen=True)
class Entry:
    """One thing that happened, when, and how it went."""

    at: datetime
    icon: str
    title: str
    text: str = ""
    tone: str = ""  # good, held or person; else neutral


def timeline(episode: Episode) -> list[Entry]:
    """Everything that happened in this episode, in order; four queries whatever its length."""
    names = ", ".join(TROUBLE.get(key, key).lower() for key in episode.triggers)
    began = Entry(episode.signal_at, "eye", "Something was noticed", f"{names.capitalize()}.")
    if episode.rule is not None:
        began = Entry(episode.signal_at, "spark", "A rule applied", f"{episode.rule.title}.")
    entries = [began]
    decisions = (
        Decision.objects.filter(episode=episode)
        .exclude(action="monitor")
        .select_related("suppression", "attempt", "answer", "approval", "manager_ask", "escalation", "lesson")
        .prefetch_related("deliveries", "escalation__attempt")
        .defer("snapshot", "eligible")
        .order_by("at", "pk")
    )
    for decision in decisions:
        entries += _decision(decision)
    entries += [
        Entry(
            verdict.at, "user", f"A coach: {verdict.get_kind_display().lower()}", _verdict(verdict), "person"
        )
        for verdict in Verdict.objects.filter(case__episode=episode)
        if verdict.kind not in (Verdict.Kind.APPROVE, Verdict.Kind.CHANGE)
    ]
    if episode.closed_at is not None:
        entries.append(
            Entry(episode.closed_at, "check", f"Ended: {episode.get_end_display().lower()}", "", "good")
        )
    return sorted(entries, key=lambda entry: entry.at)


def _decision(decision: Decision) -> list[Entry]:
    entries = []
    escalation: Escalation | None = getattr(decision, "escalation", None)
    approval: Approval | None = getattr(decision, "approval", None)
    step = STEPS.get(decision.action, decision.action)
    if escalation is not None and decision.action == "coach":
        entries.append(Entry(decision.at, "person", "Handed to a person", proof(escalation), "person"))
    elif approval is None:
        entries.append(Entry(decision.at, "route", f"Chose {step}", "This route needs no approval any more."))
    else:
        entries.append(Entry(decision.at, "route", f"Suggested {step}", "Waits for a person's yes."))
        if approval.state in (Approval.State.APPROVED, Approval.State.CHANGED) and approval.answered_at:
            title = (
                "Approved by a person"
                if approval.state == Approval.State.APPROVED
                else "Another route chosen"
            )
            entries.append(Entry(approval.answered_at, "user", title, "", "person"))
    for delivery in decision.deliveries.all():
        if delivery.state == Delivery.State.SENT and delivery.sent_at:
            where = "by e-mail" if delivery.channel == Delivery.Channel.EMAIL else "on the learner's page"
            entries.append(Entry(delivery.sent_at, "send", f"Delivered {where}"))
    suppression = getattr(decision, "suppression", None)
    if suppression is not None:
        entries.append(
            Entry(suppression.at, "pause", "Not sent", f"{suppression.get_reason_display()}.", "held")
        )
    answer = getattr(decision, "answer", None)
    if answer is not None:
        entries.append(Entry(answer.at, "reply", f"The learner answered: {answer.get_kind_display()}"))
    attempt: Attempt | None = getattr(decision, "attempt", None)
    if attempt is not None and attempt.judged_at is not None:
        improved = attempt.verdict == Attempt.Verdict.IMPROVED
        text = "" if improved else "No improvement when its window closed."
        entries.append(
            Entry(
                attempt.judged_at,
                "check" if improved else "clock",
                "It helped" if improved else "No change",
                text,
            )
        )
    ask: ManagerAsk | None = getattr(decision, "manager_ask", None)
    if ask is not None:
        entries.append(Entry(ask.asked_at, "user", "The manager was asked", "", "person"))
        if ask.answered_at is not None:
            entries.append(
                Entry(
                    ask.answered_at, "reply", f"The manager answered: {ask.get_state_display()}", "", "person"
                )
            )
    return entries


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
    return f"{verdict.get_reason_display()}." if verdict.reason else ""
