"""What a training set must not be, each broken on purpose."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consent import record as consent
from consent.scopes import Scope
from learners.models import Enrolment
from signals.training import guards
from signals.training.dataset import Dataset
from tests.support.consent import ADMIN
from tests.support.knowledge import day, enrolled

np: Any = pytest.importorskip("numpy")

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def dataset(rows: int = 400, **changes: Any) -> Dataset:
    """People on day 14, every other one of whom did not pass; two features that know nothing."""
    draw = np.random.default_rng(1)
    base = Dataset(
        enrolment_ids=np.arange(rows),
        as_of=np.full(rows, (NOW - timedelta(days=90)).timestamp()),
        day=np.full(rows, 14),
        course_ids=np.ones(rows, dtype=np.int64),
        cohorts=("A/2026",) * rows,
        feature_set="core-2",
        keys=("amount_7", "last_active_at"),
        features=np.stack([draw.normal(size=rows), np.full(rows, NOW.timestamp() - 91 * 86_400)], axis=1),
        label="pass_30d@1",
        y=np.arange(rows) % 2 * 1.0,
        treated=np.zeros(rows, dtype=bool),
        propensity=np.full(rows, np.nan),
    )
    return replace(base, **changes)


def with_feature(values: Any) -> Dataset:
    base = dataset()
    features = base.features.copy()
    features[:, 0] = values
    return replace(base, features=features)


def test_it_lets_an_honest_set_pass() -> None:
    guards.check(dataset(), now=NOW)


def test_it_refuses_labels_that_nobody_could_know_yet() -> None:
    with pytest.raises(guards.LabelFromTheFuture, match=r"400 of 400 rows .* pass_30d@1 .* 01 March 2026"):
        guards.check(dataset(), now=datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize("key", ["gender", "age_band_pct", "home_town"])
def test_it_refuses_what_people_declared_of_themselves(key: str) -> None:
    declared = {"home_town": ("",) * 400}

    with pytest.raises(guards.DeclaredAttributeAsFeature, match=key):
        guards.check(dataset(keys=("amount_7", key), attributes=declared), now=NOW)


def test_it_lets_unknown_labels_wait() -> None:
    waiting = dataset()
    waiting.y[:200] = np.nan
    waiting.as_of[:200] = NOW.timestamp()

    guards.check(waiting, now=NOW)


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (np.full(400, np.nan), guards.NothingToLearn, "None of 400 rows"),
        (np.ones(400), guards.OneClass, "came true for all 400"),
        (np.zeros(400), guards.OneClass, "did not come true for all 400"),
        ((np.arange(400) < 19) * 1.0, guards.TooFewCases, "Only 19 of 400"),
    ],
)
def test_it_names_what_is_missing_among_the_labels(y: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        guards.check(dataset(y=y), now=NOW)


def test_it_names_a_feature_that_is_dated_ahead() -> None:
    broken = dataset()
    broken.features[7, 1] = broken.as_of[7] + 1

    with pytest.raises(guards.FeatureFromTheFuture, match=r"last_active_at .* 1 rows"):
        guards.check(broken, now=NOW)


def test_it_names_a_feature_that_encodes_the_outcome() -> None:
    with pytest.raises(guards.FeatureTellsTheOutcome, match=r"amount_7 \(alone it has an AUC of 1\.000\)"):
        guards.check(with_feature(-dataset().y), now=NOW)


def test_it_names_a_feature_that_is_known_of_one_kind_only() -> None:
    with pytest.raises(
        guards.FeatureTellsTheOutcome, match=r"known for 100% of one kind and 0% of the other"
    ):
        guards.check(with_feature(np.where(dataset().y == 1, 5.0, np.nan)), now=NOW)


def test_it_finds_a_leak_that_opens_on_one_day_only() -> None:
    half = np.where(np.arange(400) < 200, 14, 84)
    leaking = np.where(half == 84, dataset().y, dataset().features[:, 0])

    with pytest.raises(guards.FeatureTellsTheOutcome, match="on day 84"):
        guards.check(replace(with_feature(leaking), day=half), now=NOW)


def test_it_accuses_no_good_feature() -> None:
    draw = np.random.default_rng(3)

    guards.check(with_feature(dataset().y * 2 + draw.normal(size=400)), now=NOW)


def test_it_refuses_marks_that_are_seen_before_they_came_back() -> None:
    import duckdb

    duck = duckdb.connect()
    duck.execute("CREATE TABLE result AS SELECT 0.5 AS scaled, 0.0 AS moment, 7 * 86400.0 AS seen")

    guards.marks_have_returned(duck, mark_lag_days=7)
    with pytest.raises(guards.MarkBeforeItsReturn, match="1 marks"):
        guards.marks_have_returned(duck, mark_lag_days=8)


def test_it_gives_features_no_way_to_know_how_an_enrolment_ended() -> None:
    from signals.features.expression import TABLES

    columns = {column for table in TABLES.values() for column in table}

    assert not columns & {"ended_at", "ended_day", "state", "final_result", "passed_at"}


class Class:
    """Three people of one course on day 14: one active, one who left on day 20, one who had left on day 10."""

    def __init__(self) -> None:
        self.stays, self.leaves, self.gone = (enrolled(f"person-{number:04}") for number in (1, 2, 3))
        for enrolment, at in ((self.leaves, day(20)), (self.gone, day(10))):
            Enrolment.objects.filter(pk=enrolment.pk).update(state="withdrawn", ended_at=at)
        Enrolment.objects.filter(pk=self.stays.pk).update(due_on=day(60).date())

    def of(self, *people: Enrolment) -> Dataset:
        rows = len(people)
        return dataset(
            rows,
            enrolment_ids=np.array([one.pk for one in people]),
            as_of=np.full(rows, day(14).timestamp()),
            course_ids=np.array([one.course_id for one in people]),
            label="passed_by_end@1",
        )


@pytest.mark.django_db
def test_it_wants_everybody_who_was_enrolled_then() -> None:
    people = Class()

    guards.everybody_is_in(people.of(people.stays, people.leaves), now=NOW)
    with pytest.raises(guards.SurvivorsOnly, match=r"1 people .* missing .* \(1 of them left"):
        guards.everybody_is_in(people.of(people.stays), now=NOW)


@pytest.mark.django_db
def test_it_wants_nobody_who_had_left() -> None:
    people = Class()

    with pytest.raises(guards.SurvivorsOnly, match="1 rows are of people who had left"):
        guards.everybody_is_in(people.of(people.stays, people.leaves, people.gone), now=NOW)


@pytest.mark.django_db
def test_it_does_not_miss_people_who_refuse() -> None:
    people = Class()
    consent.withdraw(subject=people.leaves.learner_id, scope=Scope.PROFILE, by=ADMIN, now=day(21))

    guards.everybody_is_in(people.of(people.stays), now=NOW)
