"""When a learned model looks again: at the moment at which time alone changes a feature, and rarely."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from signals.risk.review import SILENT, next_review
from tests.support.knowledge import day


def features(**known: Any) -> dict[str, Any]:
    return {key: value.isoformat() for key, value in known.items() if value is not None}


def test_it_looks_again_when_the_course_begins() -> None:
    assert next_review(features(started_at=day(5)), as_of=day(0)) == day(5)


@pytest.mark.parametrize(("silent_for", "window"), [(3.5, 7), (8.5, 14), (17, 30)])
def test_it_looks_again_when_the_last_activity_leaves_a_window(silent_for: float, window: int) -> None:
    seen = features(last_active_at=day(0.5))

    assert next_review(seen, as_of=day(silent_for)) == day(0.5 + window) + timedelta(seconds=1)


def test_it_looks_again_when_something_has_fallen_due() -> None:
    seen = features(started_at=day(0), last_active_at=day(1), next_due_at=day(2.5))

    assert next_review(seen, as_of=day(1)) == day(2.5) + timedelta(seconds=1)


def test_it_looks_again_with_the_weekly_step_from_the_start() -> None:
    seen = features(started_at=day(0), last_active_at=day(13))

    assert next_review(seen, as_of=day(13)) == day(14)


def test_it_never_looks_again_where_nothing_is_known() -> None:
    assert next_review({}, as_of=day(0)) is None


def test_it_never_looks_back() -> None:
    seen = features(started_at=day(0), last_active_at=day(1), next_due_at=day(3))

    moment = day(0)
    for _ in range(100):
        following = next_review(seen, as_of=moment)
        assert following is not None and following > moment
        moment = following


def reviews(
    seen: dict[str, Any], *, first: datetime, days: int, due_every: timedelta | None
) -> list[datetime]:
    """All looks at somebody of whom nothing is heard any more, with something due every so often."""
    found: list[datetime] = []
    moment = first
    while True:
        if due_every is not None:
            seen["next_due_at"] = (moment + due_every).isoformat()
        following = next_review(seen, as_of=moment)
        if following is None or following > first + timedelta(days=days):
            return found
        found.append(following)
        moment = following


@pytest.mark.parametrize("due_every", [None, timedelta(hours=8), timedelta(days=1), timedelta(days=5)])
def test_it_looks_at_somebody_silent_about_twice_a_week_at_most(due_every: timedelta | None) -> None:
    seen = features(started_at=day(0), last_active_at=day(9.3))

    looks = reviews(seen, first=day(9.3) + SILENT, days=50, due_every=due_every)

    for look in looks:
        assert sum(1 for other in looks if look <= other < look + timedelta(days=7)) <= 3
    assert len(looks) <= 2.4 * 50 / 7


def test_it_looks_once_a_month_at_somebody_long_gone() -> None:
    seen = features(started_at=day(0), last_active_at=day(10))

    looks = reviews(seen, first=day(80), days=112, due_every=None)

    assert 3 <= len(looks) <= 5
