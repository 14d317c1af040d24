"""How often was a step of a route right? What people said of the steps they were asked about, and of the others.

A judgement is about one episode. It is *right* if a person who was asked let the step go out as it was, and nobody said
afterwards that it was wrong: the learner (contest), a coach, a manager or a second look ("needed no help"). A no,
another route, or a coach who took the person on instead is *not right*. What lapsed unanswered says nothing.

Of steps that went out by themselves only what is drawn by chance is a judgement: the policy's standing sample, and
second looks drawn as a check. Who complains is not drawn by chance, so complaints about the rest are counted apart: of
all that went out by themselves, for how many did somebody say that it was wrong?
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from interventions.automation import Route
from interventions.backtest.intervals import Share
from interventions.policy.document import Automation


class Judgement(NamedTuple):
    """What is known of one step. ``policy_id``: of the policy that flagged it."""

    route: Route
    policy_id: int
    episode_id: UUID
    decided_at: datetime
    at: datetime  # when it was judged
    is_right: bool


class Judged(NamedTuple):
    """Everything said in a span: of steps drawn or asked about, and of those that went out by themselves."""

    asked: list[Judgement]
    by_itself: list[Judgement]  # ``is_right``: nobody said that it was wrong


class Figures(NamedTuple):
    """What counts for one route now."""

    share: Share  # of the newest judgements
    fresh: int  # of them
    unsaid: Share  # of what went out by itself, the share of which nobody said that it was wrong


# A word counts for a step this long after it was decided.
_UNTIL = "LEAST(decision.at + interval '14 days', %(now)s)"
# What was said afterwards about somebody in the same course. A rule's own episodes have no flag to be right or wrong.
_SAID_WRONG = f"""
    EXISTS (
        SELECT 1 FROM interventions_helprequest request
        WHERE request.enrolment_id = decision.enrolment_id AND request.kind = 'contest'
          AND (request.decision_id IS NULL OR request.decision_id = decision.id)
          AND request.asked_at >= decision.at AND request.asked_at <= {_UNTIL}
    ) OR EXISTS (
        SELECT 1 FROM signals_label label
        WHERE label.enrolment_id = decision.enrolment_id AND label.definition = 'needed_help@1' AND NOT label.value
          AND label.as_of >= decision.at AND label.as_of <= {_UNTIL}
    )
"""
_ROUTE = """
    decision.action, split_part(decision.reasons ->> 0, ':', 3), split_part(decision.reasons ->> 0, ':', 2),
    decision.policy_id, decision.episode_id, decision.at
"""
_OF_THE_MATRIX = """
    decision.action IN ('nudge', 'lesson', 'lesson_nudge') AND decision.reasons ->> 0 LIKE 'matrix:%%'
    AND EXISTS (
        SELECT 1 FROM interventions_episode episode WHERE episode.id = decision.episode_id AND episode.rule_id IS NULL
    )
"""
_ASKED = f"""
    SELECT {_ROUTE}, approval.answered_at, approval.state = 'approved' AND NOT ({_SAID_WRONG})
    FROM interventions_approval approval JOIN interventions_decision decision ON decision.id = approval.decision_id
    WHERE approval.state IN ('approved', 'changed', 'declined') AND approval.answered_by IS NOT NULL
      AND approval.answered_at > %(since)s AND approval.answered_at <= %(now)s AND {_OF_THE_MATRIX}
"""
_BY_ITSELF = f"""
    SELECT {_ROUTE}, attempt.reached_at, NOT ({_SAID_WRONG}), look.answered_at, look.answer = 'needs_help'
    FROM interventions_attempt attempt JOIN interventions_decision decision ON decision.id = attempt.decision_id
    LEFT JOIN LATERAL (
        SELECT answered_at, answer FROM signals_secondlook look
        WHERE look.enrolment_id = decision.enrolment_id AND look.kind = 'audit'
          AND look.answer IN ('needs_help', 'does_not')
          AND look.asked_at >= decision.at AND look.asked_at <= {_UNTIL}
          AND look.answered_at <= %(now)s
        ORDER BY look.answered_at DESC, look.id LIMIT 1
    ) AS look ON true
    WHERE attempt.reached_at > %(since)s AND attempt.reached_at <= %(now)s
      AND decision.reasons @> '["by_itself"]'::jsonb AND {_OF_THE_MATRIX}
"""


def judged(*, wanted: Automation, now: datetime) -> Judged:
    """All that was said of routes in the days that count, in two queries."""
    values = {"since": now - timedelta(days=wanted.judged_days), "now": now}
    found = Judged([], [])
    with connection.cursor() as cursor:
        cursor.execute(_ASKED, values)
        found.asked.extend(_read(row) for row in cursor.fetchall())
        cursor.execute(_BY_ITSELF, values)
        for *row, answered_at, needed_help in cursor.fetchall():
            one = _read(row)
            found.by_itself.append(one)
            if answered_at is not None:  # drawn as a check: as good as the standing sample
                found.asked.append(one._replace(at=answered_at, is_right=one.is_right and needed_help))
    return found


def figures(
    found: Judged,
    *,
    wanted: Automation,
    counts: Mapping[tuple[str, str], frozenset[int]],
    since: Mapping[Route, datetime],
    now: datetime,
) -> dict[Route, Figures]:
    """What counts for each route of which anything is known. Pure.

    ``counts``: (impact, band) → the policies whose flags are those of today, or fewer. ``since``: judgements of steps
    decided before this moment no longer count.
    """
    asked, by_itself = (_episodes(rows, counts, since) for rows in found)
    fresh_from = now - timedelta(days=wanted.fresh_days)
    built = {}
    for route in sorted({*asked, *by_itself}):
        newest = asked[route][: wanted.newest]
        quiet = by_itself[route][: wanted.newest]
        built[route] = Figures(
            share=_share(newest),
            fresh=sum(one.at >= fresh_from for one in newest),
            unsaid=_share(quiet),
        )
    return built


def _episodes(
    rows: Iterable[Judgement],
    counts: Mapping[tuple[str, str], frozenset[int]],
    since: Mapping[Route, datetime],
) -> dict[Route, list[Judgement]]:
    """Route → one judgement an episode, the newest first; whatever was wrong once in an episode was wrong."""
    per: dict[tuple[Route, UUID], Judgement] = {}
    for one in rows:
        begins = since.get(one.route)
        if one.policy_id not in counts.get((one.route.impact, one.route.band), frozenset()):
            continue
        if begins is not None and one.decided_at <= begins:
            continue
        known = per.get((one.route, one.episode_id))
        if known is not None:
            one = one._replace(at=max(one.at, known.at), is_right=one.is_right and known.is_right)
        per[one.route, one.episode_id] = one
    sorted_in: dict[Route, list[Judgement]] = defaultdict(list)
    for one in sorted(per.values(), key=lambda one: (one.at, str(one.episode_id)), reverse=True):
        sorted_in[one.route].append(one)
    return sorted_in


def _share(rows: list[Judgement]) -> Share:
    return Share(sum(one.is_right for one in rows), len(rows))


def _read(row: Sequence[Any]) -> Judgement:
    action, band, impact, policy_id, episode_id, decided_at, at, is_right = row
    return Judgement(Route(action, band, impact), policy_id, episode_id, decided_at, at, is_right)
