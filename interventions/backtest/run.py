"""Walks the record chunk by chunk and says what came out: equal, otherwise, and what it would have meant."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection

from interventions import holds
from interventions.backtest.figures import Figures, Slice, hidden
from interventions.backtest.points import Point, moments, people, points_of
from interventions.backtest.reproduce import OneStep, Reproduced
from interventions.backtest.simulate import Customs, Surroundings, Walk
from interventions.backtest.truth import truths, was_right
from interventions.models import AlertSlot, Policy
from interventions.policy import store
from interventions.policy.document import Document
from interventions.policy.weights import Weights, scored, trusted_by
from learners import zones
from learners.models import Course, Enrolment, OrgUnit, Preferences, Role, User

WEEK = timedelta(days=7)


class CannotBacktest(ValueError):
    """There is no span, no such policy, or nothing recorded; says which."""


class Span(NamedTuple):
    """From ``start`` until before ``end``."""

    start: datetime
    end: datetime

    @property
    def weeks(self) -> float:
        return (self.end - self.start) / WEEK


class Side(NamedTuple):
    """One policy of a comparison: what to call it, and its document."""

    version: int
    document: Document


class Report(NamedTuple):
    """What came out. ``told`` is all of it as JSON-ready values: numbers, names of units and courses, no person."""

    told: dict[str, Any]
    reproduced: Reproduced


def span_of(first: date, last: date) -> Span:
    """These days, both included, by the organisation's clock. Raises CannotBacktest."""
    if last < first:
        raise CannotBacktest(f"The span ends ({last}) before it begins ({first}).")
    zone = zones.organisation_zone()
    return Span(
        datetime.combine(first, time(), zone).astimezone(UTC),
        datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC),
    )


def side_of(version: int) -> Side:
    """The policy of this number. Raises CannotBacktest."""
    policy = Policy.objects.filter(version=version).first()
    if policy is None:
        versions = ", ".join(map(str, Policy.objects.order_by("version").values_list("version", flat=True)))
        raise CannotBacktest(f"There is no policy {version}; there are {versions}.")
    return Side(version, store.document(policy))


def backtest(
    *,
    span: Span,
    base: Side,
    other: Side | None = None,
    reproduce: bool = True,
    is_over: Callable[[], bool] = lambda: False,
    progress: Callable[[int], object] = lambda points: None,
) -> Report:
    """Walks everything recorded in the span. ``is_over`` is asked between chunks: what was walked by then is told.

    ``base`` is what ``other`` is compared with. Raises CannotBacktest where nothing is recorded.
    """
    crowd = people(start=span.start, end=span.end)
    if not crowd.points:
        raise CannotBacktest(
            f"Nothing is recorded between {span.start:%Y-%m-%d} and {span.end:%Y-%m-%d}: "
            "no decision, and so nothing to walk."
        )
    policies = {policy.pk: store.document(policy) for policy in Policy.objects.exclude(state="draft")}
    sides = [base] if other is None else [base, other]
    walked = _Walked(span, policies, sides, _customs(span))
    for chunk in crowd.chunks():
        walked.chunk(chunk, reproduce=reproduce)
        progress(walked.points)
        if is_over():
            break
    return walked.report(of_people=len(crowd.learners), of_points=crowd.points)


class _Walked:
    """What has been counted so far."""

    def __init__(
        self, span: Span, policies: Mapping[int, Document], sides: Sequence[Side], customs: Customs
    ) -> None:
        self.span, self.policies, self.sides, self.customs = span, policies, sides, customs
        self.points = self.learners = 0
        self.reproduced = Reproduced()
        self.one_step = OneStep()
        self.figures = [Figures(side.document) for side in sides]
        self.weights = [trusted_by(side.document) for side in sides]
        self.moments = moments(start=span.start, end=span.end)
        self.people: dict[Slice, set[UUID]] = defaultdict(set)

    def chunk(self, learner_ids: Sequence[UUID], *, reproduce: bool) -> None:
        points = points_of(learner_ids, start=self.span.start, end=self.span.end)
        around = _surroundings(learner_ids, self.span)
        known = truths({point.enrolment_id for point in points}, start=self.span.start, end=self.span.end)
        for learner_id, own in groupby(points, key=lambda point: point.learner_id):
            mine = list(own)
            if reproduce:
                for point in mine:
                    self.reproduced.check(point, self.policies)
            if len(self.sides) > 1:
                self._step(mine, around[learner_id])
            self._people(mine, around[learner_id])
            for side, figures, weighed in zip(self.sides, self.figures, self.weights, strict=True):
                walk = Walk(side.document, around[learner_id].walk, self.customs, self.moments)
                acts = walk.through(_scored(mine, weighed), end=self.span.end)
                for flag in figures.add(acts, around[learner_id].slices):
                    figures.judge(was_right(known.get(flag.enrolment_id, ()), flag.at))
        self.points += len(points)
        self.learners += len(learner_ids)

    def _step(self, points: Sequence[Point], around: "_Around") -> None:
        document = self.sides[1].document
        for point in points:
            if point.snapshot is None:
                continue
            courses = document.pilot_courses
            in_pilot = not courses or around.walk.course.get(point.enrolment_id) in courses
            snapshot = point.snapshot
            if in_pilot != snapshot.in_pilot:
                point = point._replace(snapshot=msgspec.structs.replace(snapshot, in_pilot=in_pilot))
            (point,) = _scored([point], self.weights[1])
            self.one_step.check(point, document)

    def _people(self, points: Sequence[Point], around: "_Around") -> None:
        for point in points:
            if point.snapshot is None:
                continue
            unit, course = around.slices[point.enrolment_id]
            for one in (Slice("impact", point.snapshot.impact), Slice("unit", unit), Slice("course", course)):
                self.people[one].add(point.learner_id)

    def report(self, *, of_people: int, of_points: int) -> Report:
        share = self.learners / of_people
        told: dict[str, Any] = {
            "from": self.span.start.isoformat(),
            "to": self.span.end.isoformat(),
            "weeks": self.span.weeks,
            "points": self.points,
            "of_points": of_points,
            "people": self.learners,
            "of_people": of_people,
            "is_sample": self.learners < of_people,
            "assumptions": self.customs._asdict(),
            "reproduced": {
                "equal": self.reproduced.equal,
                "different": self.reproduced.different,
                "by_a_person": self.reproduced.by_a_person,
                "forgotten": self.reproduced.forgotten,
                "digest": self.reproduced.digest.hex(),
                "first_differences": msgspec.to_builtins(self.reproduced.first),
            },
            "really_sent": _really_sent(self.span),
            "capacity": _capacity(self.sides[-1].document),
            "policies": [
                {"version": side.version, **figures.told(weeks=self.span.weeks, share=share)}
                for side, figures in zip(self.sides, self.figures, strict=True)
            ],
            "slices": self._slices(share),
        }
        if len(self.sides) > 1:
            before, after = self.figures
            told["choices"] = {
                "points": self.one_step.points,
                "differ": self.one_step.differ,
                "moves": [
                    {"recorded": old, "other": new, "count": count}
                    for (old, new), count in self.one_step.moves.most_common()
                ],
            }
            told["reach"] = {
                "newly_alerted": round(len(after.alerted - before.alerted) / share),
                "no_longer_alerted": round(len(before.alerted - after.alerted) / share),
                "newly_passed_to_a_person": round(len(after.with_person - before.with_person) / share),
                "no_longer_passed_to_a_person": round(len(before.with_person - after.with_person) / share),
            }
        return Report(told, self.reproduced)

    def _slices(self, share: float) -> list[dict[str, Any]]:
        small = hidden(self.people)
        names = _names(self.people)
        weeks = self.span.weeks * share
        rows = []
        for one in sorted(
            self.people, key=lambda one: (one.dimension != "impact", one.dimension, names[one])
        ):
            row: dict[str, Any] = {"dimension": one.dimension, "name": names[one], "too_small": one in small}
            if one not in small:
                row["people"] = round(len(self.people[one]) / share)
                row["policies"] = [
                    {kind.value: figures.by_slice[one][kind] / weeks for kind in figures.by_slice[one]}
                    for figures in self.figures
                ]
            rows.append(row)
        return rows


class _Around(NamedTuple):
    walk: Surroundings
    slices: dict[int, tuple[str, str]]  # enrolment → unit and course


def _surroundings(learner_ids: Sequence[UUID], span: Span) -> dict[UUID, _Around]:
    """What else the walk needs of these learners, in a fixed number of queries."""
    zone = zones.zones_of(learner_ids)
    closed = _closed(learner_ids, span, zone)
    wishes = Preferences.objects.in_bulk(list(learner_ids))
    taken: dict[tuple[UUID, str], list[datetime]] = defaultdict(list)
    slots = AlertSlot.objects.filter(learner_id__in=learner_ids, state=AlertSlot.State.COMMITTED)
    for learner_id, kind, during in slots.values_list("learner_id", "kind", "during"):
        if span.start - WEEK < during.lower < span.start:
            taken[learner_id, kind].append(during.lower)
    rows: dict[UUID, list[tuple[int, str, datetime | None, str, str]]] = defaultdict(list)
    for learner_id, pk, iri, ended_at, unit, course in (
        Enrolment.objects.filter(learner_id__in=learner_ids)
        .order_by("pk")
        .values_list("learner_id", "pk", "course__iri", "ended_at", "learner__unit_id", "course_id")
    ):
        rows[learner_id].append((pk, iri, ended_at, str(unit or ""), str(course)))
    return {
        pk: _Around(
            Surroundings(
                zone[pk],
                wishes[pk].quiet_hours if pk in wishes else None,
                tuple(taken[pk, AlertSlot.Kind.LEARNER]),
                tuple(taken[pk, AlertSlot.Kind.ABOUT]),
                {one: ended_at for one, _, ended_at, _, _ in rows[pk] if ended_at is not None},
                {one: iri for one, iri, _, _, _ in rows[pk]},
                closed[pk],
            ),
            {one: (unit, course) for one, _, _, unit, course in rows[pk]},
        )
        for pk in learner_ids
    }


def _closed(
    learner_ids: Sequence[UUID], span: Span, zone: Mapping[UUID, ZoneInfo]
) -> dict[UUID, tuple[holds.Closed, ...]]:
    """When nobody was to disturb these learners in the span, and for some weeks after it."""
    found: dict[UUID, set[holds.Closed]] = {pk: set() for pk in learner_ids}
    at = span.start
    while at < span.end:  # holidays are looked up for so many days at once
        for pk, closed in holds.closed_times(learner_ids, now=at, zone_of=zone).items():
            found[pk] |= set(closed)
        at += holds.AHEAD
    return {pk: tuple(sorted(closed, key=lambda one: (one.begins, one))) for pk, closed in found.items()}


def _customs(span: Span) -> Customs:
    """How long people here keep a case, and how often they say yes, in the span; the usual where nothing is known."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY episode.closed_at - escalation.at))
            FROM interventions_escalation escalation
            JOIN interventions_episode episode ON episode.id = escalation.episode_id
            WHERE episode.closed_at >= %s AND episode.closed_at < %s AND episode.closed_at > escalation.at
            """,
            [span.start, span.end],
        )
        (seconds,) = cursor.fetchone() or (None,)
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE state IN ('approved', 'changed')), count(*)
            FROM interventions_approval approval
            LEFT JOIN interventions_suppression suppression ON suppression.decision_id = approval.decision_id
            WHERE answered_at >= %s AND answered_at < %s
              AND (state IN ('approved', 'changed', 'declined') OR suppression.reason = 'unanswered')
            """,
            [span.start, span.end],
        )
        yes, asked = cursor.fetchone() or (0, 0)
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM interventions_managerask WHERE asked_at >= %(start)s AND asked_at < %(end)s),
                   (SELECT count(*) FROM interventions_suppression
                    WHERE reason = 'manager_budget' AND at >= %(start)s AND at < %(end)s)
            """,
            span._asdict(),
        )
        had_a_place, had_none = cursor.fetchone() or (0, 0)
    usual = Customs()
    return Customs(
        case_days=usual.case_days if seconds is None else round(float(seconds) / 86_400, 2),
        approved=round(yes / asked, 4) if asked else usual.approved,
        manager_free=round(had_a_place / (had_a_place + had_none), 4) if had_a_place else usual.manager_free,
    )


def _really_sent(span: Span) -> dict[str, float]:
    """What really went out a week: the yardstick of how well a walk tells it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE kind = 'learner'), count(*) FILTER (WHERE kind = 'about')
            FROM interventions_alertslot
            WHERE state = 'committed' AND lower(during) >= %(start)s AND lower(during) < %(end)s
            """,
            span._asdict(),
        )
        to_learners, to_managers = cursor.fetchone() or (0, 0)
        cursor.execute(
            """
            SELECT count(*) FROM interventions_escalation escalation
            JOIN interventions_decision decision ON decision.id = escalation.decision_id AND decision.action = 'coach'
            WHERE escalation.at >= %(start)s AND escalation.at < %(end)s
            """,
            span._asdict(),
        )
        (cases,) = cursor.fetchone() or (0,)
    return {
        "learner_alerts_per_week": to_learners / span.weeks,
        "manager_alerts_per_week": to_managers / span.weeks,
        "coach_cases_per_week": cases / span.weeks,
    }


def _capacity(document: Document) -> dict[str, float]:
    """How many hours a week coaches have for cases."""
    coaches = User.objects.with_role(Role.COACH).count()
    return {"coaches": coaches, "coach_hours_per_week": coaches * document.limits.coach_hours_week}


def _names(slices: Mapping[Slice, Any]) -> dict[Slice, str]:
    units = dict(OrgUnit.objects.values_list("pk", "name"))
    courses = dict(Course.objects.values_list("pk", "name"))
    names = {}
    for one in slices:
        if one.dimension == "unit":
            names[one] = units.get(int(one.key), one.key) if one.key else "No unit"
        elif one.dimension == "course":
            names[one] = courses.get(int(one.key), one.key)
        else:
            names[one] = f"{one.key.capitalize()} role"
    return names


def _scored(points: list[Point], weights: Weights | None) -> list[Point]:
    """The points with the risk that these weights would have given; without any, as they were recorded."""
    if weights is None:
        return points
    return [
        point if point.snapshot is None else point._replace(snapshot=scored(point.snapshot, weights))
        for point in points
    ]
