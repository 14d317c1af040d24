"""Was a flag right? Asked of labels: a person's word first, and what became of those whom nobody treated."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

NEEDED_HELP = "needed_help@1"
RECOVERED = "recovered_14d@1"
NEAR = timedelta(days=14)  # a label speaks for flags this close to it


class Truth(NamedTuple):
    """One label, read as an answer to the question whether a flag would have been right."""

    as_of: datetime
    is_persons_word: bool
    was_right: bool


# Of those who were treated a recovery says nothing about the flag: it may be what the treatment did.
_LABELS = """
    SELECT enrolment_id, as_of, definition = %(word)s, CASE WHEN definition = %(word)s THEN value ELSE NOT value END
    FROM signals_label
    WHERE enrolment_id = ANY(%(enrolments)s) AND value IS NOT NULL AND as_of BETWEEN %(first)s AND %(last)s
      AND (definition = %(word)s OR (definition = %(recovered)s AND NOT treated))
    ORDER BY enrolment_id, as_of, definition
"""


def truths(enrolment_ids: Iterable[int], *, start: datetime, end: datetime) -> dict[int, list[Truth]]:
    """What is known of flags on these enrolments around this span, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LABELS,
            {
                "enrolments": sorted(set(enrolment_ids)),
                "word": NEEDED_HELP,
                "recovered": RECOVERED,
                "first": start - NEAR,
                "last": end + NEAR,
            },
        )
        found: dict[int, list[Truth]] = defaultdict(list)
        for enrolment_id, as_of, is_persons_word, was_right in cursor.fetchall():
            found[enrolment_id].append(Truth(as_of, is_persons_word, was_right))
    return found


def was_right(known: Sequence[Truth], at: datetime) -> bool | None:
    """Whether a flag at this moment was right: the nearest word of a person, else the nearest label; None: unknown."""
    near = [truth for truth in known if abs(truth.as_of - at) <= NEAR]
    if not near:
        return None
    return min(near, key=lambda truth: (not truth.is_persons_word, abs(truth.as_of - at))).was_right
