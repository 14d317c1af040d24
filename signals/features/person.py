"""Who somebody is at work, and how courses went before: known apart from this course. No demographics."""

from signals.features.feature import COACH, DAY, LESSON, Computed, Family, Sensitivity, Source, share

_of = Family(
    source=Source.ENROLMENT,
    owner="people data",
    sensitivity=Sensitivity.PERSON,
    speaks_for=(COACH,),
).feature

FEATURES: list[Computed] = [
    _of(
        "role_impact_level",
        "Impact of the job role (0 standard, 1 elevated, 2 critical)",
        "now",
        "level",
        lambda t: t.role_impact,
    ),
    _of("tenure_days", "Days since joining", "now", "days", lambda t: t.as_of_day - t.hired_day),
    _of(
        "attempts_before",
        "Earlier attempts at this course, as its source knows them",
        "before the start",
        "attempts",
        lambda t: t.earlier_attempts,
    ),
    _of("load", "Study load, as the source knows it", "now", "points", lambda t: t.study_load),
    _of(
        "courses_ended",
        "Earlier courses that have ended",
        "all time",
        "count",
        lambda t: t.ended.max(),
        Source.HISTORY,
        is_count=True,
    ),
    _of(
        "courses_passed",
        "Earlier courses passed",
        "all time",
        "count",
        lambda t: t.passed.max(),
        Source.HISTORY,
        is_count=True,
    ),
    _of(
        "courses_not_passed",
        "Earlier courses not passed",
        "all time",
        "count",
        lambda t: t.courses_ended - t.courses_passed,
        is_count=True,
    ),
    _of(
        "pass_share",
        "Share of earlier courses passed",
        "all time",
        "share",
        lambda t: share(t.courses_passed, t.courses_ended),
    ),
    _of(
        "skill_gap",
        "Mean gap between the level the role asks for and the level shown",
        "now",
        "levels",
        lambda t: t.gap.mean(),
        Source.GAPS,
        speaks_for=(LESSON, COACH),
    ),
    _of(
        "skill_gap_largest",
        "Largest gap between the level the role asks for and the level shown",
        "now",
        "levels",
        lambda t: t.gap.max(),
        Source.GAPS,
        speaks_for=(LESSON, COACH),
    ),
    _of(
        "rating_last",
        "Last rating by others",
        "all time",
        "share",
        lambda t: t.scaled.max(where=t.recency == 1),
        Source.RATINGS,
    ),
    _of(
        "rating_mean_365",
        "Mean rating by others",
        "365 days",
        "share",
        lambda t: t.scaled.mean(where=t.as_of - t.moment < 365 * DAY),
        Source.RATINGS,
    ),
]
