"""What a training set must not be: a look into the future, an answer among the questions, only those who stayed.

Each guard raises an error named for what is wrong; `check` runs all of them that need nothing but the set itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from learners.models import DeclaredAttribute, Enrolment
from signals.features.allowed import computable
from signals.labels import definition_of, for_training

if TYPE_CHECKING:
    from signals.array_types import Flags, Floats
    from signals.training.dataset import Dataset

LEAST_CASES = 20  # of either kind; with fewer, chance decides
TELLS_ALL = 0.98  # a single feature that ranks people this well knows how it ended
LEAST_TO_JUDGE = 50  # rows of either kind before one feature is accused
DAY = 86_400.0


class UnfitForTraining(ValueError):
    """A training set that teaches something false; the message says what and names the feature or rows."""


class NothingToLearn(UnfitForTraining):
    """There is no row with a known label."""


class OneClass(UnfitForTraining):
    """Every known label says the same."""


class TooFewCases(UnfitForTraining):
    """One of the two kinds is so rare that chance would decide."""


class LabelFromTheFuture(UnfitForTraining):
    """A label is known although its horizon has not passed."""


class FeatureFromTheFuture(UnfitForTraining):
    """A feature tells of a moment after its row's date."""


class FeatureTellsTheOutcome(UnfitForTraining):
    """A feature knows how it ended."""


class DeclaredAttributeAsFeature(UnfitForTraining):
    """What people declared of themselves for audits of fairness is among the features."""


class MarkBeforeItsReturn(UnfitForTraining):
    """A mark was used before people got it back."""


class SurvivorsOnly(UnfitForTraining):
    """People who were enrolled at the date are missing, or people who had left are still in."""


def check(dataset: "Dataset", *, now: datetime, least: int = LEAST_CASES) -> None:
    """Raises the first of these errors that holds of the set as it is. `now`: what may be known of its outcomes."""
    no_declared_attribute_is_a_feature(dataset)
    labels_have_matured(dataset, now=now)
    both_kinds(dataset, least=least)
    no_feature_is_dated_ahead(dataset)
    no_feature_tells_the_outcome(dataset)


def no_declared_attribute_is_a_feature(dataset: "Dataset") -> None:
    """Raises DeclaredAttributeAsFeature. Percentiles and other children of an attribute carry its name."""
    names = (*DeclaredAttribute.Name.values, *dataset.attributes)
    used = [key for key in dataset.keys if any(key == name or key.startswith(f"{name}_") for name in names)]
    if used:
        raise DeclaredAttributeAsFeature(
            f"{', '.join(used)} was declared for audits of fairness; no model may read it."
        )


def labels_have_matured(dataset: "Dataset", *, now: datetime) -> None:
    """No label may be known before its horizon has passed. Raises LabelFromTheFuture."""
    import numpy as np

    horizon = definition_of(dataset.label).horizon_days
    known = ~np.isnan(dataset.y)
    early = known & (dataset.as_of + (horizon or 0) * DAY > now.timestamp())
    if early.any():
        raise LabelFromTheFuture(
            f"{int(early.sum())} of {len(dataset)} rows have a label by {dataset.label} that nobody could know on "
            f"{now:%d %B %Y}: it is known {horizon or 0} days after its date. Train as of a later day, or on earlier "
            "ones."
        )


def both_kinds(dataset: "Dataset", *, least: int = LEAST_CASES) -> None:
    """There must be enough of either kind. Raises NothingToLearn, OneClass or TooFewCases."""
    import numpy as np

    bad, good = int(np.nansum(dataset.y == 1)), int(np.nansum(dataset.y == 0))
    if not bad and not good:
        raise NothingToLearn(
            f"None of {len(dataset)} rows has a known label by {dataset.label}. Wait until courses have ended, or take "
            "a label with a shorter horizon."
        )
    if not bad or not good:
        kind = "came true" if bad else "did not come true"
        raise OneClass(
            f"What {dataset.label} warns of {kind} for all {bad + good} rows with a known label: there is nothing to "
            "tell apart. Take more courses, or another label."
        )
    if min(bad, good) < least:
        raise TooFewCases(
            f"Only {min(bad, good)} of {bad + good} rows are of the rarer kind by {dataset.label}; at least {least} "
            "are needed. Take more courses, or another label."
        )


def no_feature_is_dated_ahead(dataset: "Dataset") -> None:
    """Features that are moments of the past must lie at or before their row's date. Raises FeatureFromTheFuture."""
    import numpy as np

    from signals.features.definitions import BY_KEY

    for place, key in enumerate(dataset.keys):
        feature = BY_KEY.get(key)
        if feature is None or not feature.is_time or not key.startswith("last_"):
            continue
        values = dataset.features[:, place]
        ahead = np.nan_to_num(values, nan=-np.inf) > dataset.as_of
        if ahead.any():
            raise FeatureFromTheFuture(
                f"The feature {key} tells of something after its row's date in {int(ahead.sum())} rows."
            )


def no_feature_tells_the_outcome(dataset: "Dataset") -> None:
    """No single feature, nor whether it is known, may all but settle the label. Raises FeatureTellsTheOutcome."""
    suspects = tell_all(dataset)
    if suspects:
        told = "; ".join(f"{key} ({why})" for key, why in suspects)
        raise FeatureTellsTheOutcome(
            f"These features know how it ended, as nothing honest does: {told}. Look for what wrote them after the "
            "date, or for the label in another dress; leave them out until then."
        )


def tell_all(dataset: "Dataset") -> list[tuple[str, str]]:
    """The features that know too much, and why: each day by itself, as a leak may open late in a course."""
    import numpy as np

    found = []
    for place, key in enumerate(dataset.keys):
        values = dataset.features[:, place]
        for day in sorted(
            {None, *np.unique(dataset.day).tolist()}, key=lambda day: (day is not None, day or 0)
        ):
            rows = ~np.isnan(dataset.y) & (True if day is None else dataset.day == day)
            if why := _why(values[rows], dataset.y[rows] == 1):
                found.append((key, why + (f" on day {day}" if day is not None else "")))
                break
    return found


def _why(values: "Floats", bad: "Flags") -> str:
    import numpy as np

    if min(int(bad.sum()), int((~bad).sum())) < LEAST_TO_JUDGE:
        return ""
    known = ~np.isnan(values)
    share_bad, share_good = float(known[bad].mean()), float(known[~bad].mean())
    # Ranked by being known alone, the area under the curve is this.
    area = 0.5 + abs(share_bad - share_good) / 2
    if area > TELLS_ALL:
        return f"known for {share_bad:.0%} of one kind and {share_good:.0%} of the other"
    if min(int((bad & known).sum()), int((~bad & known).sum())) < LEAST_TO_JUDGE:
        return ""
    area = _area(values[known], bad[known])
    return f"alone it has an AUC of {max(area, 1 - area):.3f}" if max(area, 1 - area) > TELLS_ALL else ""


def _area(values: "Floats", bad: "Flags") -> float:
    """The area under the ROC curve, ties counted half."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    n_bad, n_good = int(bad.sum()), int((~bad).sum())
    return float((ranks[bad].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))


def marks_have_returned(duck: Any, *, mark_lag_days: int) -> None:
    """Of the table `result` that features read, no mark is seen before it came back. Raises MarkBeforeItsReturn."""
    early = duck.execute(
        "SELECT count(*) FROM result WHERE scaled IS NOT NULL AND seen < moment + ?", [mark_lag_days * DAY]
    ).fetchone()[0]
    if early:
        raise MarkBeforeItsReturn(
            f"{early} marks would be seen less than {mark_lag_days} days after the work was handed in."
        )


_PRESENT = """
SELECT e.id, p.as_of FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[], %s::date[])
    AS p (n, as_of, course_id, starts_on)
JOIN learners_enrolment e ON e.course_id = p.course_id AND e.starts_on = p.starts_on
WHERE e.enrolled_at <= p.as_of AND (e.ended_at IS NULL OR e.ended_at > p.as_of)
ORDER BY e.id, p.as_of
"""


def everybody_is_in(dataset: "Dataset", *, now: datetime) -> None:
    """Whoever was enrolled at a date must be in, active or not, whatever they did later; whoever had left must not be.

    Raises SurvivorsOnly. People whose data may not be used, and those without an answer yet, need not be in.
    """
    there = {
        (int(enrolment_id), float(as_of))
        for enrolment_id, as_of in zip(dataset.enrolment_ids, dataset.as_of, strict=True)
    }
    starts = dict(
        Enrolment.objects.filter(pk__in={enrolment_id for enrolment_id, _ in there}).values_list(
            "pk", "starts_on"
        )
    )
    cohorts = sorted(
        {
            (float(as_of), int(course), starts[int(enrolment_id)])
            for enrolment_id, as_of, course in zip(
                dataset.enrolment_ids, dataset.as_of, dataset.course_ids, strict=True
            )
        }
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _PRESENT,
            [
                list(range(len(cohorts))),
                [datetime.fromtimestamp(as_of, UTC) for as_of, _, _ in cohorts],
                [course for _, course, _ in cohorts],
                [starts_on for _, _, starts_on in cohorts],
            ],
        )
        expected = {(enrolment_id, as_of.timestamp()): as_of for enrolment_id, as_of in cursor.fetchall()}
    gone = there - expected.keys()
    if gone:
        raise SurvivorsOnly(f"{len(gone)} rows are of people who had left, or not yet come, at their date.")
    missing = _with_an_answer(sorted(expected.keys() - there), label=dataset.label, now=now)
    if missing:
        left = (
            Enrolment.objects.filter(pk__in=missing, ended_at__isnull=False)
            .exclude(state="completed")
            .count()
        )
        raise SurvivorsOnly(
            f"{len(missing)} people who were enrolled at a date are missing from its rows ({left} of them left or did "
            "not pass): a model would learn from those who stayed."
        )


def _with_an_answer(points: Sequence[tuple[int, float]], *, label: str, now: datetime) -> set[int]:
    rows = for_training(
        label=label, points=[(pk, datetime.fromtimestamp(as_of, UTC)) for pk, as_of in points], now=now
    )
    answered = {row.enrolment_id for row in rows if row.value is not None}
    enrolments = Enrolment.objects.filter(pk__in=answered).select_related("learner").order_by("pk")
    allowed = computable(enrolments)
    return {row.pk for row in enrolments if row.learner_id in allowed}
