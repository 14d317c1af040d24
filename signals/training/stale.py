"""Features that no longer tell anything: not computed, not known for anybody, the same for everybody, or not used."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from signals.features.definitions import BY_KEY, FEATURES
from signals.features.retired import retired_keys
from signals.models import ModelVersion
from signals.training import card as cards

WEEKS = 4
LEAST_PEOPLE = 200
CANDIDATES_OF = timedelta(days=90)
MOST_ROWS = 20_000
LITTLE = 1e-4  # a mean contribution in log-odds that nobody would notice


@dataclass(frozen=True, slots=True)
class Stale:
    """One feature to look at, and what is proposed."""

    key: str
    name: str
    why: str
    proposal: str


_SEEN = """
WITH lately AS (
    SELECT f.values FROM signals_featurerow f WHERE f.as_of > %(since)s
    ORDER BY f.as_of DESC, f.enrolment_id LIMIT %(most)s
)
SELECT one.key, count(*), count(*) FILTER (WHERE jsonb_typeof(one.value) <> 'null'),
       count(DISTINCT one.value) FILTER (WHERE jsonb_typeof(one.value) <> 'null')
FROM lately CROSS JOIN LATERAL jsonb_each(lately.values) AS one (key, value)
GROUP BY one.key
"""


def stale(*, now: datetime) -> list[Stale]:
    """The features to look at, in the order of the catalogue. Empty where too few people were computed lately."""
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, {"since": now - timedelta(weeks=WEEKS), "most": MOST_ROWS})
        seen = {key: (rows, known, values) for key, rows, known, values in cursor.fetchall()}
    people = max((rows for rows, _, _ in seen.values()), default=0)
    if people < LEAST_PEOPLE:
        return []
    used = used_by(now=now)
    retired = retired_keys()
    found = []
    for feature in FEATURES:
        if feature.key in retired or not getattr(feature, "is_model_input", True):
            continue
        rows, known, values = seen.get(feature.key, (0, 0, 0))
        if not rows:
            why = f"It was computed for none of {people:,} people in {WEEKS} weeks."
            proposal = "Look at its definition: it may have failed. If it is no longer wanted, retire it."
        elif not known:
            why = f"It was known for none of {rows:,} people in {WEEKS} weeks."
            proposal = "Ask whether its source still sends; if it never will, retire it."
        elif values == 1 and known >= LEAST_PEOPLE:
            why = f"It was the same for all {known:,} people in {WEEKS} weeks."
            proposal = "It tells nobody apart. Retire it, unless its source is only just starting."
        elif used and feature.key not in used:
            why = "Neither the live model nor any candidate of 90 days makes use of it."
            proposal = "It costs little to keep. Retire it if it is personal or hard to explain."
        else:
            continue
        found.append(Stale(feature.key, feature.name, why, proposal))
    return found


def used_by(*, now: datetime) -> set[str]:
    """The features that the live model or a candidate of the last weeks makes use of; empty where none was trained."""
    used: set[str] = set()
    versions = ModelVersion.objects.exclude(card={}).filter(created_at__gt=now - CANDIDATES_OF)
    for card in [*versions.values_list("card", flat=True), *_live_cards()]:
        try:
            features = cards.read(card).features
        except cards.UnreadableCard:
            continue
        used |= {one.key for one in features if one.importance is None or one.importance > LITTLE}
    return used & set(BY_KEY)


def _live_cards() -> list[dict[str, object]]:
    return list(ModelVersion.objects.filter(is_live=True).exclude(card={}).values_list("card", flat=True))
