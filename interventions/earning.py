"""Routes earn going out by themselves and lose it again: the stage that says so, and who takes one back by hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import SYSTEM, Party
from interventions import automation, route
from interventions.automation import Route
from interventions.backtest.intervals import Share
from interventions.judgements import Figures, Judged, figures, judged
from interventions.models import AutomaticRoute, Decision, Policy, Suppression
from interventions.policy import store
from interventions.policy.document import IMPACTS, RISK_BANDS, Document
from interventions.policy.louder import louder

ACTIONS = ("nudge", "lesson", "lesson_nudge")
ROUTES = tuple(Route(action, band, impact) for impact in IMPACTS for band in RISK_BANDS for action in ACTIONS)
Lost = AutomaticRoute.Lost
# Judgements of before a loss of these kinds count no more: it has to be earned anew, by what is decided afterwards.
ANEW = (Lost.BY_A_PERSON, Lost.CONTESTED)
# Whom a policy reaches hangs on these. Quieter is fine: who is left was among those that were judged.
_REACH = ("model", "bands.", "triggers.", "value.", "costs.")
NOTHING_KNOWN = Figures(share=Share(0, 0), fresh=0, unsaid=Share(0, 0))


class NotAutomatic(Exception):
    """A person is asked on this route already."""


class Standing(NamedTuple):
    """How one route stands: what is known, and the row since which it goes out by itself."""

    route: Route
    figures: Figures
    row: AutomaticRoute | None
    may_be_earned: bool  # the policy lets this action earn it


def reaches_no_others(earned_with: Document, policy: Document, *, impact: str, band: str) -> bool:
    """Are those whom this policy reaches on a row of the matrix among those whom the other one reached?"""
    if earned_with.matrix[impact][band] != policy.matrix[impact][band]:
        return False
    return not any(reason.place.startswith(_REACH) for reason in louder(earned_with, policy))


def automatic(policy: Document, *, version: int) -> frozenset[str]:
    """The keys of the routes that go out by themselves under this policy now; one query, none where none may."""
    if not any(getattr(policy.automation, action) for action in ACTIONS):
        return frozenset()
    standing = AutomaticRoute.objects.filter(lost_at__isnull=True).select_related("policy").order_by("pk")
    found: set[str] = set()
    known: dict[int, Document] = {}
    for row in standing:
        if row.policy.version != version:
            if row.policy_id not in known:
                known[row.policy_id] = store.document(row.policy)
            if not reaches_no_others(known[row.policy_id], policy, impact=row.impact, band=row.band):
                continue
        found.add(route_of(row).key)
    return frozenset(found)


def route_of(row: AutomaticRoute) -> Route:
    return Route(row.action, row.band, row.impact)


def standings(*, now: datetime) -> list[Standing]:
    """How each route stands under the policy in force: those of its matrix, and those of which anything is known."""
    policy_row = store.live()
    return _standings(policy_row, store.document(policy_row), now)


def assess(*, now: datetime) -> int:
    """Lets routes earn going out by themselves, and lose it; returns how many changed. Twice changes nothing more."""
    store.live()  # begins an empty installation
    with transaction.atomic():
        # One at a time, and under one policy: whoever puts another in force waits for this, or this for them.
        policy_row = Policy.objects.select_for_update(no_key=True).get(state=Policy.State.LIVE)
        policy = store.document(policy_row)
        changed = 0
        for standing in _standings(policy_row, policy, now):
            if standing.row is None:
                changed += _earn(standing, policy_row, policy, now)
                continue
            why = _why_lost(standing, policy)
            if why:
                changed += _lose(standing.row, standing.figures, why, now=now)
            elif standing.row.policy_id != policy_row.pk:
                changed += AutomaticRoute.objects.filter(pk=standing.row.pk, lost_at__isnull=True).update(
                    policy=policy_row
                )
    return changed


def ask_again(*, row: AutomaticRoute, by: UUID, now: datetime) -> None:
    """An administrator wants a person to be asked on this route again, from now on. Raises NotAutomatic.

    What has not gone out yet is decided anew, and asks. The route can be earned anew, by judgements of what is decided
    after this.
    """
    standing = next((one for one in standings(now=now) if one.row is not None and one.row.pk == row.pk), None)
    with transaction.atomic():
        if standing is None or not _lose(row, standing.figures, Lost.BY_A_PERSON, now=now, by=by):
            raise NotAutomatic("A person is asked on this route already.")


def _standings(policy_row: Policy, policy: Document, now: datetime) -> list[Standing]:
    found = judged(wanted=policy.automation, now=now)
    standing = AutomaticRoute.objects.filter(lost_at__isnull=True).select_related("policy").order_by("pk")
    rows = {route_of(row): row for row in standing}
    known = figures(
        found,
        wanted=policy.automation,
        counts=_counting(found, policy_row, policy),
        since=_anew_since(),
        now=now,
    )
    cells = {
        Route(action, band, impact)
        for impact, bands in policy.matrix.items()
        for band, actions in bands.items()
        for action in actions
        if action in ACTIONS
    }
    return [
        Standing(
            route,
            known.get(route, NOTHING_KNOWN),
            rows.get(route),
            may_be_earned=getattr(policy.automation, route.action),
        )
        for route in ROUTES
        if route in cells or route in known or route in rows
    ]


def _counting(
    found: Judged, policy_row: Policy, policy: Document
) -> Mapping[tuple[str, str], frozenset[int]]:
    """(impact, band) → the policies under which as many, or more, were reached there as under the one in force."""
    ids = {one.policy_id for rows in found for one in rows}
    documents = {
        row.pk: store.document(row) for row in Policy.objects.filter(pk__in=ids - {policy_row.pk})
    } | {policy_row.pk: policy}
    return {
        (impact, band): frozenset(
            pk
            for pk, document in documents.items()
            if reaches_no_others(document, policy, impact=impact, band=band)
        )
        for impact in IMPACTS
        for band in RISK_BANDS
    }


def _anew_since() -> dict[Route, datetime]:
    lost = AutomaticRoute.objects.filter(lost_because__in=ANEW).order_by("lost_at", "pk")
    return {route_of(row): row.lost_at for row in lost if row.lost_at is not None}


def _earn(standing: Standing, policy_row: Policy, policy: Document, now: datetime) -> int:
    wanted, (share, fresh, unsaid) = policy.automation, standing.figures
    is_earned = (
        standing.may_be_earned
        and share.whole >= wanted.least
        and share.low >= wanted.bar
        and unsaid.high >= wanted.bar
        and fresh >= wanted.fresh_least
    )
    if not is_earned:
        return 0
    action, band, impact = standing.route
    row = AutomaticRoute.objects.create(
        action=action,
        band=band,
        impact=impact,
        earned_at=now,
        earned_right=share.part,
        earned_judged=share.whole,
        earned_low=share.low,
        bar=wanted.bar,
        policy=policy_row,
    )
    _note("automation.earned", row, SYSTEM, now, standing.figures)
    return 1


def _why_lost(standing: Standing, policy: Document) -> str:
    wanted, (share, fresh, unsaid) = policy.automation, standing.figures
    _, band, impact = standing.route
    assert standing.row is not None
    if not standing.may_be_earned:
        return Lost.SWITCHED_OFF
    if not reaches_no_others(store.document(standing.row.policy), policy, impact=impact, band=band):
        return Lost.OTHER_FLAGS
    if unsaid.high < wanted.bar:
        return Lost.CONTESTED
    if fresh < wanted.fresh_least:
        return Lost.NOT_FRESH
    return Lost.PRECISION if share.low < wanted.lost_below else ""


def _lose(row: AutomaticRoute, known: Figures, why: str, *, now: datetime, by: UUID | None = None) -> int:
    lost = AutomaticRoute.objects.filter(pk=row.pk, lost_at__isnull=True).update(
        lost_at=now,
        lost_because=why,
        lost_right=known.share.part,
        lost_judged=known.share.whole,
        lost_by=by,
    )
    if lost:
        _ask_about_what_waits(route_of(row), now)
        _note("automation.lost", row, Party("user", by) if by else SYSTEM, now, known, because=str(why))
    return lost


def _ask_about_what_waits(lost: Route, now: datetime) -> None:
    """What was to go out by itself and has not gone is called off; its step is decided anew, and asks a person."""
    waiting = (
        Decision.objects.filter(
            action=lost.action,
            lapsed_at__isnull=True,
            reasons__contains=[automation.BY_ITSELF],
            deliveries__state__in=route.NOT_YET,
        )
        .order_by("pk")
        .distinct()
        .values_list("pk", "action", "reasons")
    )
    ids = [pk for pk, action, reasons in waiting if automation.of(action, reasons) == lost]
    route.call_off(decision_ids=ids, reason=Suppression.Reason.ASK_FIRST, now=now)


def _note(action: str, row: AutomaticRoute, actor: Party, now: datetime, known: Figures, **more: str) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=Party("automatic_route", row.pk),
        now=now,
        detail={
            "route": route_of(row).key,
            "right": known.share.part,
            "judged": known.share.whole,
            "low": round(known.share.low, 4),
            **more,
        },
    )
