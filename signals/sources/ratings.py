"""Ratings by managers and 360 feedback. What peers and reports say is kept only as a group, and only a large one.

A manager's word and one's own are one statement each. Peers' (and reports') words about a person, period and topic
become one statement: their number, the mean, and their comments in alphabetical order. Who said what is in no row,
no statement and no key; a group below SMALLEST_GROUP is not taken in at all.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from signals.sources import wording
from signals.sources.base import Delivered, Fact, Problem, Unusable
from signals.sources.tables import Row, TableSource

SMALLEST_GROUP = 5
SINGLE = ("manager", "self")
GROUPED = ("peer", "report")
TYPE = wording.OWN + "activity-types/rating"
RELATION = wording.OWN + "relation"
PERIOD = wording.OWN + "period"
RATERS = wording.OWN + "raters"


class _Given(NamedTuple):
    """One row."""

    line: int
    about: dict[str, Any]
    by: str
    relation: str
    period: str
    topic: dict[str, Any]
    low: float
    high: float
    rating: float
    comment: str


class Ratings(TableSource):
    name = "ratings"
    label = "Ratings and 360 feedback (CSV)"
    required = ("person", "rater", "relation", "period", "topic", "rating")
    optional = ("lowest", "highest", "comment")

    def read(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        """Facts about single raters as they come, those about groups when the file has ended."""
        groups: dict[tuple[str, ...], dict[str, _Given]] = {}
        for row in self._rows(delivered):
            if isinstance(row, Problem):
                yield row
            elif row.relation in SINGLE:
                yield _single(row)
            else:
                key: tuple[str, ...] = (wording.name_of(row.about), row.relation, row.period, row.topic["id"])
                other = groups.setdefault(key, {}).setdefault(row.by, row)
                if other is not row:
                    yield Problem(
                        row.line, f"the rater of line {other.line} speaks twice here", "Keep one of the two."
                    )
        for key, given in groups.items():
            yield from _grouped(key, list(given.values()))

    def _rows(self, delivered: Delivered) -> Iterator[_Given | Problem]:
        # The base class walks the table; facts carry the rows from there to here.
        for found in super().read(delivered):
            yield found if isinstance(found, Problem) else found.statement["given"]

    def fact(self, row: Row, line: int, delivered: Delivered) -> Fact:
        return Fact(line, (), {"given": _given(row, line)})


def _given(row: Row, line: int) -> _Given:
    relation = row["relation"].casefold()
    if relation not in (*SINGLE, *GROUPED):
        raise Unusable("relation is none we know", "Write manager, self, peer or report.")
    low = wording.number(row["lowest"], "lowest") if row["lowest"] else 1.0
    high = wording.number(row["highest"], "highest") if row["highest"] else 5.0
    rating = wording.number(row["rating"], "rating")
    if not low < high or not low <= rating <= high:
        raise Unusable(
            f"rating is not between {low:g} and {high:g}", "Give the ends of the scale as lowest and highest."
        )
    wording.last_day(row["period"])
    about = wording.person(row["person"])
    by = wording.name_of(about) if relation == "self" else wording.name_of(wording.person(row["rater"]))
    if relation != "self" and by == wording.name_of(about):
        raise Unusable("the rater is the person rated", "Write the relation as self.")
    topic = wording.thing("rating", row["topic"], TYPE)
    return _Given(line, about, by, relation, row["period"].upper(), topic, low, high, rating, row["comment"])


def _single(row: _Given) -> Fact:
    statement = _statement(row, row.rating, row.comment)
    # With the rater in the key, two managers of one period are two facts. The key is kept as a keyed hash.
    key = (wording.name_of(row.about), row.relation, row.period, row.topic["id"], row.by)
    return Fact(row.line, key, statement)


def _grouped(key: tuple[str, ...], given: list[_Given]) -> Iterator[Fact | Problem]:
    scales = {(row.low, row.high) for row in given}
    first = min(given, key=lambda row: row.line)
    if len(given) < SMALLEST_GROUP:
        yield Problem(
            first.line,
            f"begins a group of {len(given)} {first.relation} ratings, of which nothing is kept",
            f"At least {SMALLEST_GROUP} of a kind are needed, so that nobody can tell who said what.",
        )
        return
    if len(scales) > 1:
        yield Problem(
            first.line, "begins a group with several scales", "Give all of one topic the same scale."
        )
        return
    # To one decimal: a mean that tells less when one rating is added.
    mean = round(sum(row.rating for row in given) / len(given), 1)
    comments = "\n\n".join(sorted(row.comment for row in given if row.comment))
    statement = _statement(first, mean, comments)
    statement["context"]["extensions"][RATERS] = len(given)
    yield Fact(first.line, key, statement)


def _statement(row: _Given, rating: float, comment: str) -> dict[str, Any]:
    scaled = (rating - row.low) / (row.high - row.low)
    result: dict[str, Any] = {
        "score": {"raw": rating, "min": row.low, "max": row.high, "scaled": round(scaled, 4)}
    }
    if comment:
        result["response"] = comment
    return {
        "actor": row.about,
        "verb": {"id": wording.VERBS + "was-rated"},
        "object": row.topic,
        "result": result,
        "context": {"extensions": {RELATION: row.relation, PERIOD: row.period}},
        "timestamp": wording.stamp(wording.noon(wording.last_day(row.period))),
    }
