"""What was opened: how many different things, what kinds of things, and how much of a video was seen."""

from signals.features.activity import WHOLE
from signals.features.feature import (
    COACH,
    LESSON,
    NUDGE,
    Computed,
    Family,
    Sensitivity,
    Source,
    count_within,
    share,
    sum_within,
)
from signals.features.kinds import KINDS

NAMES = {
    "content": "course content",
    "assessment": "tests and questions",
    "discussion": "discussions",
    "file": "files",
    "page": "pages and links",
    "media": "videos and sound",
    "meeting": "meetings",
    "other": "other material",
}


_of = Family(
    source=Source.MATERIALS,
    owner="learning data",
    sensitivity=Sensitivity.ACTIVITY,
    speaks_for=(NUDGE, LESSON, COACH),
).feature


def _of_kind(kind: str) -> list[Computed]:
    column = f"kind_{kind}"
    return [
        _of(
            f"amount_{kind}",
            f"Interactions with {NAMES[kind]}",
            WHOLE,
            "count",
            lambda t: t[column].sum(),
            Source.DAYS,
            is_count=True,
        ),
        *(
            _of(
                f"amount_{kind}_{days}",
                f"Interactions with {NAMES[kind]}",
                f"{days} days",
                "count",
                sum_within(column, days),
                Source.DAYS,
                is_count=True,
            )
            for days in (14, 30)
        ),
        _of(
            f"share_{kind}",
            f"Share of interactions that were with {NAMES[kind]}",
            WHOLE,
            "share",
            lambda t: share(t[f"amount_{kind}"], t.amount),
            Source.ENROLMENT,
        ),
        _of(
            f"share_{kind}_30",
            f"Share of interactions that were with {NAMES[kind]}",
            "30 days",
            "share",
            lambda t: share(t[f"amount_{kind}_30"], t.amount_30),
            Source.ENROLMENT,
        ),
    ]


FEATURES: list[Computed] = [
    _of("materials", "Different materials opened", WHOLE, "count", lambda t: t.days.count(), is_count=True),
    *(
        _of(
            f"materials_{days}",
            "Different materials opened",
            f"{days} days",
            "count",
            count_within("days", days),
            is_count=True,
        )
        for days in (7, 14, 30)
    ),
    *(
        _of(
            f"new_materials_{days}",
            "Materials opened for the first time",
            f"{days} days",
            "count",
            count_within("days", days, by="new"),
            is_count=True,
        )
        for days in (7, 30)
    ),
    _of(
        "reopened_share",
        "Share of materials opened again on another day",
        WHOLE,
        "share",
        lambda t: share(t.days.count(where=t.days >= 2), t.days.count()),
    ),
    _of(
        "days_per_material",
        "Days on which a material was opened, on average",
        WHOLE,
        "days",
        lambda t: t.days.cast("float64").mean(),
    ),
    *(feature for kind in KINDS for feature in _of_kind(kind)),
    _of(
        "watched_share",
        "Share of the videos begun that was watched",
        WHOLE,
        "share",
        lambda t: t["share"].mean(),
        Source.WATCHED,
    ),
    _of(
        "watched",
        "Videos begun",
        WHOLE,
        "count",
        lambda t: t["share"].count(),
        Source.WATCHED,
        is_count=True,
    ),
]
