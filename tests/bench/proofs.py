"""The promises of deciding and sending, proved from the rows that are left and from what the mail server took.

Nothing here asks the code that keeps a promise whether it did: zones, quiet hours, closed days, consent and merges are
what the simulation itself knows, caps are counted over what arrived, and a proof of a failed attempt is looked for
among attempts, messages and mails.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.bench.cap import most_in_window
from tests.bench.population import BERLIN_HOLIDAYS, World
from tests.bench.sink import Taken

WEEK = timedelta(hours=168)
# A claim is the point of no return: a mail that was claimed before a withdrawal may arrive just after it.
UNDER_WAY_S = 5.0
AT_ONCE = 2000


class Sent(NamedTuple):
    """Something that reached a learner, or may have."""

    at: datetime
    clock: float  # of this machine; 0 for a card, which has none
    learner_id: UUID
    decision_id: UUID
    by_mail: bool


def prove(world: World, mails: Sequence[Taken], *, now: datetime) -> dict[str, Any]:
    """What was found; ``holds`` says whether every promise was kept and was put to the test at all."""
    sent = _sent(world, mails)
    told: dict[str, Any] = {
        "decisions": _count(),
        "mails": len(mails),
        "faults": {
            "non-sends without an explanation": _unexplained(),
            "watched without a reason": _watched_without_reason(),
            "why-not without an answer": _no_answer(world, now),
            "mails that came twice": [
                one for one, times in Counter(mail.message_id for mail in mails).items() if times > 1
            ],
            "mails of nobody's": [
                mail.message_id for mail in mails if _delivery(mail.message_id) not in _deliveries(mails)
            ],
            "escalations without proof": _without_proof(sent),
            "more than two in 168 hours": _over_the_cap(world, sent),
            "sent without a place": _without_a_place(world, sent),
            "sent after a withdrawal": _after_withdrawal(world, sent),
            "managers told after a withdrawal": _told_after_withdrawal(world),
            "sent at a quiet hour": _at_a_quiet_hour(world, sent),
            "sent on a closed day": _on_a_closed_day(world, sent),
            "left undone": _left(now),
        },
    }
    told["suppressed"] = _suppressed()
    told["sent"] = len({one.decision_id for one in sent})
    told["escalations"] = _escalations()
    told["holds"] = bool(sent) and not any(told["faults"].values())
    told["faults"] = {
        name: {"number": len(found), "first": [str(one) for one in found[:5]]} if found else 0
        for name, found in told["faults"].items()
    }
    return told


def _count() -> dict[str, int]:
    from django.db.models import Count

    from interventions.models import Decision

    return dict(
        Decision.objects.order_by().values_list("action").annotate(number=Count("pk")).order_by("action")
    )


def _suppressed() -> dict[str, int]:
    from django.db.models import Count

    from interventions.models import Suppression

    rows = Suppression.objects.order_by().values_list("reason").annotate(number=Count("pk"))
    return dict(rows.order_by("-number"))


def _escalations() -> dict[str, int]:
    from interventions.models import Escalation

    return dict(
        Counter(one or "failed attempt" for one in Escalation.objects.values_list("exemption", flat=True))
    )


def _delivery(message_id: str) -> str:
    return message_id.strip("<>").partition("@")[0]


def _deliveries(mails: Sequence[Taken]) -> Mapping[str, Any]:
    from interventions.models import Delivery

    wanted = {_delivery(mail.message_id) for mail in mails}
    return {str(pk): one for pk, one in Delivery.objects.defer("subject", "body").in_bulk(wanted).items()}


def _sent(world: World, mails: Sequence[Taken]) -> list[Sent]:
    """Mails as the server took them, whatever the rows say of them, and cards as the rows say."""
    from interventions.models import Delivery

    known = _deliveries(mails)
    by_address = {person.email: person.learner_id for person in world.people if person.email}
    found = [
        Sent(
            world.simulated(mail.clock),
            mail.clock,
            by_address[mail.address],
            known[_delivery(mail.message_id)].decision_id,
            True,
        )
        for mail in mails
        if _delivery(mail.message_id) in known
    ]
    cards = Delivery.objects.filter(channel="card", sent_at__isnull=False).order_by("sent_at", "pk")
    found += [
        Sent(at, 0.0, world.sent_before.get(decision, learner), decision, False)
        for at, learner, decision in cards.values_list("sent_at", "learner_id", "decision_id")
        if at is not None
    ]
    return sorted(found)


def _unexplained() -> list[str]:
    """Acting decisions that neither reached somebody, nor wait for something, nor have their one reason."""
    from interventions.models import Decision

    found = []
    acting = (
        Decision.objects.exclude(action="monitor")
        .select_related("suppression", "approval", "manager_ask", "escalation", "hold", "episode")
        .prefetch_related("deliveries")
        .defer("snapshot", "eligible")
        .order_by("at", "pk")
    )
    for decision in acting:
        states = Counter(one.state for one in decision.deliveries.all())
        approval = getattr(decision, "approval", None)
        escalation = getattr(decision, "escalation", None)
        reached = bool(states["sent"]) or hasattr(decision, "manager_ask")
        if decision.action == "coach":
            reached = escalation is not None and escalation.collected_at is not None
        waits = bool(states["queued"] or states["claimed"] or states["sending"])
        waits = waits or (approval is not None and approval.state == "waiting")
        waits = waits or (decision.action == "coach" and escalation is not None and not reached)
        suppressed = hasattr(decision, "suppression")
        if decision.action == "coach" and suppressed:
            reached = False  # consent to a coach was withdrawn before anybody looked
        is_told = reached + waits + suppressed == 1 or (reached and waits and not suppressed)
        if not is_told or suppressed != (decision.lapsed_at is not None):
            words = f"reached={reached} waits={waits} suppressed={suppressed} lapsed={decision.lapsed_at}"
            found.append(f"{decision.action} {decision.pk}: {words} {dict(states)}")
    return found


def _watched_without_reason() -> list[str]:
    """Decisions not to act, whose first reason is none that has words, or who say "no trigger" where one held."""
    from coaching.why_not_words import WHY
    from interventions import triggers
    from interventions.models import Decision, Policy
    from interventions.policy import store
    from interventions.snapshot import restore
    from interventions.wordlist import REASONS

    policies = {one.pk: store.document(one) for one in Policy.objects.exclude(state="draft")}
    known = {*REASONS["en"], *WHY["en"]} - {"other"}
    found = []
    rows = Decision.objects.filter(action="monitor").values_list("pk", "policy_id", "reasons", "snapshot")
    for pk, policy_id, reasons, snapshot in rows.iterator(AT_ONCE):
        first = str(reasons[0]).partition(":")[0] if reasons else ""
        if first not in known:
            found.append(f"{pk}: {reasons}")
        elif (
            first == "no_trigger"
            and snapshot is not None
            and triggers.held(restore(snapshot), policies[policy_id])
        ):
            found.append(f"{pk}: a trigger held")
    return found


def _no_answer(world: World, now: datetime) -> list[str]:
    """Whom the page "why not?" owes an answer, asked about every fortnight."""
    from coaching.why_not import why_not
    from coaching.why_not_words import WHY
    from learners.models import Learner

    found = []
    first = min(at for _, at in world.moments)
    for learner in Learner.objects.filter(pk__in=[one.learner_id for one in world.people]).order_by("pk"):
        at = now
        while at > first:
            told = why_not(learner, at=at, language="en")
            for one in (*told.standing, *told.before):
                is_idle = one.key == "on_its_way" and at == now
                if not one.why or one.why == WHY["en"]["other"] or is_idle:
                    found.append(f"{learner.pk} at {at:%Y-%m-%d %H:%M}: {one.key}")
            at -= timedelta(days=13)
    return found


def _without_proof(sent: Iterable[Sent]) -> list[str]:
    """Escalations whose attempt did not reach the learner and fail before, or whose exemption is not a fact."""
    from interventions.models import Attempt, Escalation, HelpRequest

    reached = defaultdict[UUID, list[datetime]](list)
    for one in sent:
        reached[one.decision_id].append(one.at)
    asked = defaultdict[tuple[int, str], list[datetime]](list)
    for enrolment, kind, at in HelpRequest.objects.values_list("enrolment_id", "kind", "asked_at"):
        asked[enrolment, kind].append(at)
    attempts = {one.pk: one for one in Attempt.objects.select_related("decision")}
    wishes = {"learner_asked": "help", "contest": "contest", "manager_asked": "manager"}
    found = []
    for row in Escalation.objects.select_related("decision").order_by("at", "pk"):
        snapshot = row.decision.snapshot or {}
        if not row.exemption:
            attempt = attempts.get(row.attempt_id) if row.attempt_id else None
            proved = (
                attempt is not None
                and attempt.episode_id == row.episode_id
                and attempt.verdict == "no_improvement"
                and attempt.judged_at is not None
                and attempt.judged_at <= row.at
                and attempt.decision.action in ("nudge", "lesson", "lesson_nudge")
                and any(at <= attempt.window_ends_at for at in reached[attempt.decision_id])
            )
        elif row.exemption in wishes:
            proved = any(at <= row.at for at in asked[row.decision.enrolment_id, wishes[row.exemption]])
        elif row.exemption == "critical_role":
            proved = snapshot.get("impact") == "critical"
        else:
            proved = row.exemption == "unreachable" and (
                "nudge" not in snapshot["scopes"]
                or not snapshot["reachable"]
                or ((snapshot.get("episode") or {}).get("capped_in_a_row", 0) > 0)
            )
        if not proved:
            found.append(f"{row.pk}: {row.exemption or 'attempt'}")
    return found


def _alerts(sent: Iterable[Sent]) -> dict[UUID, dict[UUID, datetime]]:
    """Learner → decision → when it first reached them: an alert is one decision, with all its channels."""
    found: dict[UUID, dict[UUID, datetime]] = defaultdict(dict)
    for one in sent:
        found[one.learner_id].setdefault(one.decision_id, one.at)
    return found


def _over_the_cap(world: World, sent: Iterable[Sent]) -> list[str]:
    alerts = _alerts(sent)
    found = [str(learner) for learner, own in alerts.items() if most_in_window(list(own.values()), WEEK) > 2]
    for duplicate, kept, merged_at in world.merges:
        own = {**alerts.get(duplicate, {}), **alerts.get(kept, {})}
        for at in own.values():
            if at > merged_at and sum(at - WEEK < other <= at for other in own.values()) > 2:
                found.append(f"{kept}, after a merge")
    return found


def _without_a_place(world: World, sent: Iterable[Sent]) -> list[UUID]:
    """Where two people turned out to be one, whose places were used more than one person's, some were given back."""
    from interventions.models import AlertSlot

    rows = AlertSlot.objects.filter(kind="learner").values_list("decision_id", "state")
    used = {pk for pk, state in rows if state == "committed" or pk in world.sent_before}
    return sorted({one.decision_id for one in sent} - used)


def _after_withdrawal(world: World, sent: Sequence[Sent]) -> list[str]:
    since = [one for one in world.refusals if one.scope in ("nudge", "profile")]
    found = []
    for refusal in since:
        for one in sent:
            if one.learner_id != refusal.learner_id:
                continue
            if one.by_mail:
                late = one.clock > refusal.clock + (UNDER_WAY_S if refusal.is_beside_workers else 0)
            else:
                late = one.at > refusal.at
            if late:
                found.append(f"{refusal.scope} {refusal.learner_id} {refusal.at} {one.at}")
    return found


def _told_after_withdrawal(world: World) -> list[str]:
    from interventions.models import ManagerAsk

    asks = defaultdict[UUID, list[datetime]](list)
    for learner, at in ManagerAsk.objects.values_list("enrolment__learner_id", "asked_at"):
        asks[learner].append(at)
    return [
        f"{one.learner_id} {at}"
        for one in world.refusals
        if one.scope == "manager"
        for at in asks[one.learner_id]
        if at > one.at
    ]


def _at_a_quiet_hour(world: World, sent: Iterable[Sent]) -> list[str]:
    """The policy's hours, 8 to 18 from Monday to Friday where the recipient is; 9 to 17 where nobody knows that."""
    from django.conf import settings

    zones = {person.learner_id: person.zone for person in world.people}
    found = []
    for one in sent:
        # What was sent to a record that was merged into another since was sent where that one was.
        earlier = [
            gone for gone, kept, merged_at in world.merges if kept == one.learner_id and one.at < merged_at
        ]
        said = []
        for record in (one.learner_id, *earlier):
            zone = zones[record]
            local = one.at.astimezone(ZoneInfo(zone or settings.ORGANISATION_TIME_ZONE))
            first, last = (8, 18) if zone else (9, 17)
            if local.weekday() > 4 or not first <= local.hour < last:
                said.append(f"{local:%a %H:%M} {zone} {'mail' if one.by_mail else 'card'} {one.decision_id}")
        if len(said) == 1 + len(earlier):
            found += said
    return found


def _on_a_closed_day(world: World, sent: Iterable[Sent]) -> list[str]:
    people = {person.learner_id: person for person in world.people}
    closed = defaultdict[UUID | int, list[tuple[date, date, datetime]]](list)
    for shut in world.closed:
        closed[shut.of].append((shut.first, shut.last, shut.since))
    found = []
    for one in sent:
        person = people[one.learner_id]
        day = one.at.astimezone(ZoneInfo(person.zone or "UTC")).date()
        here = [*closed[person.learner_id], *closed[person.unit]]
        if any(first <= day <= last and since < one.at for first, last, since in here):
            found.append(f"{one.decision_id} on {day}")
        elif person.zone == "Europe/Berlin" and day in BERLIN_HOLIDAYS:
            found.append(f"{one.decision_id} on the holiday {day}")
    return found


def _left(now: datetime) -> list[str]:
    """Work that no row says to wait: what is due and was not done when all was quiet."""
    from interventions.models import Attempt, Delivery, Escalation, Watch
    from signals.models import EnrolmentMark, Risk

    due = {
        "risks nobody read": Risk.objects.filter(unread_since__isnull=False),
        "watches that are due": Watch.objects.filter(review_at__lte=now),
        "messages that are due": Delivery.objects.filter(state="queued", due_at__lte=now),
        "messages in doubt": Delivery.objects.filter(state__in=("claimed", "sending")),
        "messages to follow up": Delivery.objects.filter(to_follow_up=True),
        "windows that closed": Attempt.objects.filter(
            verdict="pending", window_ends_at__lte=now, decision__enrolment__learner__merged_into__isnull=True
        ),
        "escalations nobody collected": Escalation.objects.filter(
            collected_at__isnull=True, decision__action="coach", episode__closed_at__isnull=True
        ),
        "enrolments to compute": EnrolmentMark.objects.filter(dirty_since__isnull=False),
    }
    return [f"{name}: {number}" for name, rows in due.items() if (number := rows.count())]
