"""Stage 5: evaluates what has changed or come due, and leaves decisions.

Work is found as rows: risks not yet read, and watches whose time has come. The watch row of an enrolment is its
decision lock, so two workers never decide about the same enrolment at once.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import F, Q

from interventions import route
from interventions.decide import LEARNER_DIRECTED, Choice, decide
from interventions.models import (
    Approval,
    Attempt,
    Decision,
    Episode,
    Escalation,
    HelpRequest,
    Lesson,
    ManagerAsk,
    Policy,
    Rule,
    Watch,
)
from interventions.policy import store
from interventions.situation import snapshots
from interventions.snapshot import Snapshot
from interventions.snapshot import store as stored
from interventions.writing import write
from signals.models import Risk
from signals.risk import unread

LOOKED_AT = 4  # times as many as are taken: as many workers find work beside each other


def evaluate(*, now: datetime, limit: int = 500) -> int:
    """Decides about up to ``limit`` enrolments; returns about how many. Call again while it is not 0."""
    with transaction.atomic():
        enrolment_ids = _claim(now, limit)
        if enrolment_ids:
            evaluate_enrolments(enrolment_ids, now=now)
    return len(enrolment_ids)


def _claim(now: datetime, limit: int) -> list[int]:
    """The enrolments to look at, their watch rows locked; what another worker holds is passed over."""
    seen = limit * LOOKED_AT
    unread = Risk.objects.filter(unread_since__isnull=False).order_by("unread_since", "pk")
    due = Watch.objects.filter(review_at__lte=now).order_by("review_at", "pk")
    # Once a course has ended nothing is scored any more, so nothing else would end its episode.
    ended = Episode.objects.filter(closed_at__isnull=True).exclude(enrolment__state="active").order_by("pk")
    waiting = set(due.values_list("pk", flat=True)[:seen])
    others = {
        *unread.values_list("pk", flat=True)[:seen],
        *ended.values_list("enrolment_id", flat=True)[:seen],
    } - waiting
    if not waiting and not others:
        return []
    Watch.objects.bulk_create([Watch(pk=pk) for pk in sorted(others)], ignore_conflicts=True)
    locked = set(
        Watch.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pk__in=sorted(waiting | others))
        .order_by("pk")
        .values_list("pk", flat=True)[:limit]
    )
    still_due = set(
        Watch.objects.filter(pk__in=locked)
        .filter(
            Q(review_at__lte=now)
            | Q(enrolment__risk__unread_since__isnull=False)
            | (~Q(enrolment__state="active") & Q(enrolment__episodes__closed_at__isnull=True))
        )
        .values_list("pk", flat=True)
    )
    return sorted(locked & still_due)


def evaluate_enrolments(enrolment_ids: Sequence[int], *, now: datetime) -> list[Decision]:
    """Decides about these enrolments now. Inside a transaction that holds their watch rows.

    Their risks are not locked: one that is computed anew meanwhile stays unread, and is decided about again.
    """
    seen = unread.versions(enrolment_ids)
    policy_row = store.live()
    policy = store.document(policy_row)
    situations = snapshots(enrolment_ids, policy=policy, policy_version=policy_row.version, now=now)
    choices = {pk: decide(snapshot, policy) for pk, snapshot in situations.items()}
    decisions = _keep(choices, situations, policy_row, now)
    _watch({pk: choice.review_at for pk, choice in choices.items()})
    automatic = [
        decision
        for decision in decisions
        if decision.action in LEARNER_DIRECTED and not choices[decision.enrolment_id].asks
    ]
    if automatic:
        route.route(automatic, policy=policy, now=now)
    unread.mark_read(seen)  # last: a refresh that writes one of these waits from here on
    return decisions


def _watch(review_at: dict[int, datetime | None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE interventions_watch AS watch SET review_at = new.review_at
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS new (enrolment_id, review_at)
            WHERE watch.enrolment_id = new.enrolment_id
            """,
            [list(review_at), list(review_at.values())],
        )


def _keep(
    choices: dict[int, Choice],
    situations: dict[int, Snapshot],
    policy_row: Policy,
    now: datetime,
) -> list[Decision]:
    """Writes what was decided: episodes opened and ended, decisions, approvals asked, escalations with proof."""
    rules = _rules(choices)
    episodes = _open_episodes(choices, rules, now)
    _end_episodes(choices, situations, now)
    overtaken = [
        situations[pk].episode.id  # type: ignore[union-attr]
        for pk, choice in choices.items()
        if choice.action == "coach" and situations[pk].episode and situations[pk].episode.under_way  # type: ignore[union-attr]
    ]
    steps_taken = _overtake(overtaken, now) if overtaken else {}
    _take_from_managers(choices, situations, steps_taken, now)
    proofs = _proofs([s.episode.id for s in situations.values() if s.episode and s.episode.failed_attempts])
    lessons = dict(Lesson.objects.filter(is_active=True).values_list("key", "pk"))
    decisions, approvals, escalations = [], [], []
    for pk, choice in choices.items():
        snapshot = situations[pk]
        episode_id = (
            snapshot.episode.id if snapshot.episode else (episodes[pk].pk if pk in episodes else None)
        )
        acting = choice.action != "monitor"
        step = snapshot.episode.step if snapshot.episode else 0
        decision = Decision(
            enrolment_id=pk,
            episode_id=episode_id,
            step=steps_taken.get(episode_id, step) if acting and episode_id is not None else None,
            policy=policy_row,
            action=choice.action,
            lesson_id=lessons.get(choice.lesson),
            rule_id=rules[choice.rule] if choice.rule else None,
            eligible=msgspec.to_builtins(choice.eligible),
            propensity=choice.propensity,
            expected_value=choice.expected_value,
            reasons=list(choice.reasons),
            snapshot=stored(snapshot),
            known_seq=snapshot.known_seq,
            at=now,
        )
        decisions.append(decision)
        if choice.asks:
            approvals.append(Approval(decision=decision, asked_at=now))
        if choice.action in ("manager", "coach"):
            assert episode_id is not None
            proof = None if choice.exemption else proofs.get(episode_id)
            escalations.append(
                Escalation(
                    decision=decision,
                    episode_id=episode_id,
                    attempt_id=proof,
                    attempt_verdict="no_improvement" if proof else None,
                    exemption=choice.exemption,
                    at=now,
                )
            )
    write(decisions)
    Approval.objects.bulk_create(approvals)
    Escalation.objects.bulk_create(escalations)
    heard = [pk for pk, choice in choices.items() if choice.action == "coach" and situations[pk].request]
    HelpRequest.objects.filter(enrolment_id__in=heard, escalated_at__isnull=True).update(escalated_at=now)
    return decisions


def _rules(choices: dict[int, Choice]) -> dict[tuple[str, int], int]:
    """(key, version) of the rules that chose → their rows."""
    wanted = {choice.rule for choice in choices.values() if choice.rule}
    if not wanted:
        return {}
    rows = Rule.objects.filter(key__in={key for key, _ in wanted}).order_by("pk")
    return {(key, version): pk for key, version, pk in rows.values_list("key", "version", "pk")}


def _open_episodes(
    choices: dict[int, Choice], rules: dict[tuple[str, int], int], now: datetime
) -> dict[int, Episode]:
    opened = {
        pk: Episode(
            enrolment_id=pk,
            triggers=list(choice.triggers),
            ladder=choice.ladder,
            opened_at=now,
            signal_at=choice.signal_at or now,
            # A rule that acts alone opens what it names; any other only chose what a step says.
            rule_id=rules[choice.rule]
            if choice.rule and choice.triggers == (f"rule-{choice.rule[0]}",)
            else None,
        )
        for pk, choice in choices.items()
        if choice.open_episode
    }
    Episode.objects.bulk_create(opened.values())
    return opened


def _end_episodes(choices: dict[int, Choice], situations: dict[int, Snapshot], now: datetime) -> None:
    ends: dict[str, list[UUID]] = {}
    for pk, choice in choices.items():
        episode = situations[pk].episode
        if choice.end_episode and episode is not None:
            ends.setdefault(choice.end_episode, []).append(episode.id)
    for end, ids in ends.items():
        route.end_episodes(episode_ids=ids, end=end, now=now)


def _overtake(episode_ids: list[UUID], now: datetime) -> dict[UUID, int]:
    """Calls off steps the learner's own word has overtaken; episode → the step a person now takes."""
    standing = Decision.objects.filter(
        episode_id__in=episode_ids, action__in=LEARNER_DIRECTED, lapsed_at__isnull=True
    )
    route.call_off(decision_ids=list(standing.values_list("pk", flat=True)), reason="superseded", now=now)
    episodes = list(Episode.objects.filter(pk__in=episode_ids))
    reached = set(
        Attempt.objects.filter(episode_id__in=episode_ids, decision__lapsed_at__isnull=True).values_list(
            "episode_id", "decision__step"
        )
    )
    for episode in episodes:
        if (episode.pk, episode.step) in reached:
            episode.step += 1
    Episode.objects.bulk_update(episodes, ["step"])
    return {episode.pk: episode.step for episode in episodes}


def _take_from_managers(
    choices: dict[int, Choice], situations: dict[int, Snapshot], steps: dict[UUID, int], now: datetime
) -> None:
    """A manager who was not heard of is no longer asked once a coach takes over, on the step after theirs."""
    silent = [
        episode
        for pk, choice in choices.items()
        if choice.action == "coach" and (episode := situations[pk].episode) and episode.waited_since
    ]
    if not silent:
        return
    asks = ManagerAsk.objects.filter(decision__episode__in=[episode.id for episode in silent])
    route.withdraw_asks(asks, now=now)
    Episode.objects.filter(pk__in=[episode.id for episode in silent]).update(step=F("step") + 1)
    steps |= {episode.id: episode.step + 1 for episode in silent}


def _proofs(episode_ids: list[UUID]) -> dict[UUID, UUID]:
    """Episode → its latest automated attempt that changed nothing."""
    return dict(
        Attempt.objects.filter(episode_id__in=episode_ids, verdict=Attempt.Verdict.NO_IMPROVEMENT)
        .order_by("episode_id", "judged_at", "pk")
        .values_list("episode_id", "pk")
    )
