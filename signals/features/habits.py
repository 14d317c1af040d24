"""When and how somebody learns. Hours are UTC: the same clock for everybody, and for every engine."""

from collections.abc import Callable
from typing import Any

from signals.features.activity import WHOLE
from signals.features.feature import COACH, NUDGE, Computed, Family, Sensitivity, Source, share

QUARTERS = {
    "night": "between 0 and 6 o'clock UTC",
    "morning": "between 6 and 12 o'clock UTC",
    "afternoon": "between 12 and 18 o'clock UTC",
    "evening": "between 18 and 24 o'clock UTC",
}


_of = Family(
    source=Source.DAYS,
    owner="learning data",
    sensitivity=Sensitivity.ACTIVITY,
    speaks_for=(NUDGE, COACH),
).feature


def _share_of(quarter: str) -> Callable[[Any], Any]:
    return lambda t: share(t[quarter].sum(), t.amount.sum())


def _weekday(t: Any) -> Any:
    """0 is Monday; 1970 began on a Thursday."""
    return (t.day + 3) % 7


def _weekday_concentration(t: Any) -> Any:
    """1 where all active days are the same weekday, 1/7 where they are spread evenly."""
    squares = sum(
        (
            t.day.count(where=_weekday(t) == weekday).cast("float64")
            * t.day.count(where=_weekday(t) == weekday).cast("float64")
            for weekday in range(1, 7)
        ),
        t.day.count(where=_weekday(t) == 0).cast("float64")
        * t.day.count(where=_weekday(t) == 0).cast("float64"),
    )
    return squares / (t.day.count().cast("float64") * t.day.count().cast("float64")).nullif(0.0)


def _time_of_day_concentration(t: Any) -> Any:
    """1 where all is done in one quarter of the day, 1/4 where it is spread evenly."""
    first, *others = (t[f"share_{quarter}"] for quarter in QUARTERS)
    return sum((other * other for other in others), first * first)


FEATURES: list[Computed] = [
    *(
        _of(
            f"share_{quarter}",
            f"Share of interactions {words}",
            WHOLE,
            "share",
            _share_of(quarter),
        )
        for quarter, words in QUARTERS.items()
    ),
    _of(
        "time_of_day_concentration",
        "How much learning keeps to one quarter of the day",
        WHOLE,
        "share",
        _time_of_day_concentration,
        Source.ENROLMENT,
    ),
    _of(
        "weekend_share",
        "Share of active days on Saturday or Sunday",
        WHOLE,
        "share",
        lambda t: share(t.day.count(where=_weekday(t) >= 5), t.day.count()),
    ),
    _of(
        "weekday_concentration",
        "How much learning keeps to the same weekdays",
        WHOLE,
        "share",
        _weekday_concentration,
    ),
    _of(
        "hasty_share",
        "Share of things left for another within ten seconds",
        WHOLE,
        "share",
        lambda t: share(t.hasty.sum(), t.events.sum()),
    ),
    _of(
        "hasty_share_30",
        "Share of things left for another within ten seconds",
        "30 days",
        "share",
        lambda t: share(t.hasty.sum(where=t.age < 30), t.events.sum(where=t.age < 30)),
    ),
]
