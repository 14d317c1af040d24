"""The last look before features are computed: no row of the tables speaks of a time after its point's moment."""

from collections.abc import Mapping
from typing import Any

DAY_S = 86_400

# The latest moment that a row of each table speaks of; of a day, its beginning.
_LATEST: Mapping[str, str] = {
    "rollup": f"greatest(t.last_at, t.day * {DAY_S}.0)",
    "material": f"t.last_day * {DAY_S}.0",
    # Marks that have not come back yet may be there: definitions wait for `seen`. The work was handed in before.
    "result": "t.moment",
    "completion": "t.moment",
    "rating": "t.moment",
}
_CHECK = " UNION ALL ".join(
    f"SELECT '{table}', count(*) FROM {table} t JOIN enrolment e USING (enrolment_id) WHERE {latest} > e.as_of"
    for table, latest in _LATEST.items()
)


class DatedAhead(ValueError):
    """Features would be computed from something that happened after the moment they are to speak of."""


def refuse_what_is_ahead(duck: Any) -> None:
    """Raises DatedAhead where the connection's tables hold, for any point, what happened after its moment."""
    found = {table: count for table, count in duck.execute(_CHECK).fetchall() if count}
    if found:
        told = ", ".join(f"{count} in {table}" for table, count in sorted(found.items()))
        raise DatedAhead(f"Rows dated after the moment that features are asked about: {told}.")
