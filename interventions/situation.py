"""Snapshots for a batch of enrolments, in a fixed number of queries whatever the size of the batch."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

import msgspec

from consent import gate
from consent.scopes import Scope
from interventions import catalogue, earning, holds, lifts, seen
from interventions.addresses import beyond_reach
from interventions.models import Attempt, Decision, Episode, HelpRequest, LessonVisit
from interventions.models.deciding import HUMAN_DIRECTED, LEARNER_DIRECTED
from interventions.policy.document import Document
from interventions.route import ASKS_BEFORE_THE_MANAGER
from interventions.rules import applying
from interventions.snapshot import EpisodeView, HoldView, Seen, Snapshot
from learners.models import Enrolment, Learner, User
from signals.mastery.choice import weakest
from signals.models import FeatureRow, Risk
from signals.risk import reasons

SCOPES = (Scope.RECORD, Scope.PROFILE, Scope.NUDGE, Scope.MANAGER, Scope.COACH)


def snapshots(
    enrolment_ids: Sequence[int], *, policy: Document, policy_version: int, now: datetime
) -> dict[int, Snapshot]:
    """What is known of each enrolment now, as decisions see it."""
    # Features and risk in one statement: a refresh writes both, and may do so between two.
    enrolments = list(
        Enrolment.objects.filter(pk__in=enrolment_ids)
        .select_related("learner__job_role", "course", "features", "risk__model_version")
        # A trained version is megabytes, and a join would bring it along with every risk.
        .defer("risk__model_version__artefact", "risk__model_version__metrics", "risk__model_version__card")
        .order_by("pk")
    )
    learner_ids = {enrolment.learner_id for enrolment in enrolments}
    allowed = {scope: gate.filter_allowed(learner_ids, scope) for scope in SCOPES}
    no_way = beyond_reach(enrolment.learner.email for enrolment in enrolments)
    with_account = set(
        User.objects.filter(learner_id__in=learner_ids, is_active=True).values_list("learner_id", flat=True)
    )
    episodes = _episodes(enrolment_ids)
    ends = _last_ends(enrolment_ids)
    requests = _requests(enrolment_ids)
    closed = holds.closed_times(learner_ids, now=now)
    compared = lifts.compared()
    automatic = sorted(earning.automatic(policy, version=policy_version))
    taken = _taken(learner_ids)
    offered = catalogue.offers(on=now.date())
    sights = seen.look(enrolments, now=now)
    past = seen.past(enrolment_ids)
    roles = seen.role_competencies({e.learner.job_role_id for e in enrolments if e.learner.job_role_id})
    offers = {}
    built = {}
    for enrolment in enrolments:
        learner = enrolment.learner
        row: FeatureRow | None = getattr(enrolment, "features", None)
        risk: Risk | None = getattr(enrolment, "risk", None)
        recovered_at, settled_at = ends.get(enrolment.pk, (None, None))
        snapshot = Snapshot(
            now=now,
            policy_version=policy_version,
            enrolment_id=enrolment.pk,
            learner_id=learner.pk,
            known_seq=row.known_seq if row else 0,
            active=(
                enrolment.state == Enrolment.State.ACTIVE
                and learner.erased_at is None
                and learner.merged_into_id is None
                and (learner.left_on is None or learner.left_on > now.date())
            ),
            in_pilot=not policy.pilot_courses or enrolment.course.iri in policy.pilot_courses,
            impact=_impact(learner),
            scopes=tuple(scope.value for scope in SCOPES if learner.pk in allowed[scope]),
            reachable=learner.pk in with_account or bool(learner.email and learner.email not in no_way),
            seen=_seen(enrolment, row.values if row else {}, sights, now),
            risk=risk.value if risk else None,
            coverage=risk.coverage if risk else 0.0,
            known_signals=risk.known_signals if risk else 0,
            # What a model said that was taken back since is trusted by nobody, until it is computed anew.
            model=risk.model_version.name if risk and risk.model_version.taken_back_at is None else None,
            risk_as_of=risk.as_of if risk else None,
            episode=episodes.get(enrolment.pk),
            recovered_at=recovered_at,
            settled_at=settled_at,
            request=requests.get(enrolment.pk),
            hold=_hold(closed[learner.pk], now),
            compared=compared,
            automatic=tuple(key for key in automatic if key.endswith(f":{_impact(learner)}")),
            course=enrolment.course.iri,
            past=past.get(enrolment.pk, ()),
        )
        left = [offer for offer in offered if offer.key not in taken[learner.pk]]
        offers[enrolment.pk] = {offer.key for offer in left}
        known = (snapshot.seen.competency,) if snapshot.seen.competency else ()
        asked = (*known, *sights.competencies(enrolment.pk), *roles.get(learner.job_role_id or 0, ()))
        fitting = catalogue.suited(
            left,
            competencies=asked,
            language=learner.language,
        )
        snapshot = msgspec.structs.replace(
            snapshot,
            lessons=tuple(offer.key for offer in fitting),
            lessons_fit=any(offer.competency in asked for offer in fitting),
        )
        if risk is not None:
            told = reasons.kept(risk.reasons, days_inactive=snapshot.days_inactive)
            snapshot = msgspec.structs.replace(snapshot, reasons=tuple(told))
        built[enrolment.pk] = snapshot
    return applying.apply(built, offers=offers, now=now)


def _impact(learner: Learner) -> str:
    return str(learner.job_role.impact) if learner.job_role else "standard"


def _hold(closed: tuple[holds.Closed, ...], now: datetime) -> HoldView | None:
    one = holds.current(closed, now)
    return None if one is None else HoldView(one.reason, one.name, holds.reopening(closed, now))


def _seen(enrolment: Enrolment, values: dict[str, Any], sights: seen.Sights, now: datetime) -> Seen:
    started_at = datetime.combine(enrolment.starts_on, time(), UTC)
    last = values.get("last_active_at")
    mastery, source = weakest(values)
    return Seen(
        started_at=started_at if started_at <= now else None,
        last_active_at=datetime.fromisoformat(last) if last else None,
        usual_gap_days=values.get("usual_gap_days"),
        mastery=mastery,
        mastery_from=source,
        fail_rate=values.get("fail_rate"),
        failures_in_a_row=values.get("failures_in_a_row") or 0,
        **seen.seen(enrolment, values, sights, mastery=(mastery, source)),
        **seen.plan(enrolment, values, sights, now=now),
    )


def _episodes(enrolment_ids: Sequence[int]) -> dict[int, EpisodeView]:
    episodes = list(
        Episode.objects.filter(enrolment_id__in=enrolment_ids, closed_at__isnull=True).select_related("rule")
    )
    ids = [episode.pk for episode in episodes]
    acting: dict[UUID, list[Decision]] = defaultdict(list)
    for decision in (
        Decision.objects.filter(episode_id__in=ids)
        .exclude(action="monitor")
        .select_related("suppression", "manager_ask", "escalation")
        .defer("snapshot", "eligible", "reasons")
        .order_by("at", "pk")
    ):
        assert decision.episode_id is not None
        acting[decision.episode_id].append(decision)
    attempts: dict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(episode_id__in=ids).order_by("reached_at", "pk"):
        attempts[attempt.episode_id].append(attempt)
    return {
        episode.enrolment_id: _view(episode, acting[episode.pk], attempts[episode.pk]) for episode in episodes
    }


def _view(episode: Episode, acting: list[Decision], attempts: list[Attempt]) -> EpisodeView:
    standing = [decision for decision in acting if decision.lapsed_at is None]
    lapsed = [
        decision for decision in acting if decision.lapsed_at is not None and decision.step == episode.step
    ]
    last = lapsed[-1] if lapsed else None
    capped = 0
    for decision in reversed(acting):
        if decision.lapsed_at is None or _suppression(decision) != "cap":
            break
        capped += 1
    judged = [attempt for attempt in attempts if attempt.verdict == Attempt.Verdict.IMPROVED]
    pending = [attempt.window_ends_at for attempt in attempts if attempt.verdict == Attempt.Verdict.PENDING]
    return EpisodeView(
        id=episode.pk,
        ladder=episode.ladder,
        opened_at=episode.opened_at,
        triggers=tuple(episode.triggers),
        failed_attempts=episode.failed_attempts,
        step=episode.step,
        under_way=any(d.step == episode.step and d.action in LEARNER_DIRECTED for d in standing),
        window_ends_at=max(pending, default=None),
        with_person=any(d.action in HUMAN_DIRECTED and _still_with_person(d) for d in standing),
        waited_since=_waited_since(standing),
        manager_asked=any(d.action == "manager" for d in standing),
        improved_at=judged[-1].judged_at if judged else None,
        lapsed_reason=_suppression(last) if last else None,
        lapsed_at=last.lapsed_at if last else None,
        capped_in_a_row=capped,
        rule=episode.rule.key if episode.rule else "",
    )


def _suppression(decision: Decision) -> str | None:
    suppression = getattr(decision, "suppression", None)
    return suppression.reason if suppression else None


def _still_with_person(decision: Decision) -> bool:
    if decision.action == "coach":
        return True  # until the person ends the episode
    ask = getattr(decision, "manager_ask", None)
    return ask is None or ask.state in ASKS_BEFORE_THE_MANAGER


def _waited_since(standing: list[Decision]) -> datetime | None:
    """Since when a manager who has it was not heard of; None where a coach has it, or nobody was asked yet."""
    with_person = [d for d in standing if d.action in HUMAN_DIRECTED and _still_with_person(d)]
    asks = [getattr(decision, "manager_ask", None) for decision in with_person]
    heard = [ask.snoozed_until or ask.answered_at or ask.asked_at for ask in asks if ask is not None]
    return max(heard) if heard and len(heard) == len(with_person) else None


def _last_ends(enrolment_ids: Sequence[int]) -> dict[int, tuple[datetime | None, datetime | None]]:
    ends: dict[int, tuple[datetime | None, datetime | None]] = {}
    rows = (
        Episode.objects.filter(enrolment_id__in=enrolment_ids, end__in=("recovered", "settled", "not_needed"))
        .order_by("enrolment_id", "closed_at", "pk")
        .values_list("enrolment_id", "end", "closed_at")
    )
    for enrolment_id, end, closed_at in rows:
        recovered_at, settled_at = ends.get(enrolment_id, (None, None))
        ends[enrolment_id] = (closed_at, settled_at) if end == "recovered" else (recovered_at, closed_at)
    return ends


def _requests(enrolment_ids: Sequence[int]) -> dict[int, str]:
    """The open wish of each enrolment; a contest is heard before a call for help, either before the manager's."""
    rows = HelpRequest.objects.filter(
        enrolment_id__in=enrolment_ids, answered_at__isnull=True, escalated_at__isnull=True
    ).order_by("enrolment_id", "-kind")
    return {enrolment_id: kind for enrolment_id, kind in rows.values_list("enrolment_id", "kind")}


def _taken(learner_ids: set[UUID]) -> dict[UUID, set[str]]:
    """Per learner the keys of the lessons already taken or suggested."""
    found: dict[UUID, set[str]] = defaultdict(set)
    for learner_id, key in LessonVisit.objects.filter(learner_id__in=learner_ids).values_list(
        "learner_id", "lesson__key"
    ):
        found[learner_id].add(key)
    for learner_id, key in Decision.objects.filter(
        enrolment__learner_id__in=learner_ids, lesson__isnull=False, lapsed_at__isnull=True
    ).values_list("enrolment__learner_id", "lesson__key"):
        found[learner_id].add(key)
    return found
