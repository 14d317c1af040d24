"""Are people still as they were in training, and do risks still come true as often as they say?

Two questions, asked each night of the live model, each with a third answer: too little came to tell. A yes to neither
closes what was found; a fault opens a finding, is mailed, and pauses promotion until somebody has acknowledged it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from signals.features.definitions import BY_KEY
from signals.models import Finding, ModelVersion
from signals.risk.live import live_model
from signals.training import card as cards

if TYPE_CHECKING:
    pass

PSI_MOVED = 0.2  # the usual bound: a shift that matters
BEYOND_RUNS = 1.5  # times what lay between the runs of training: a course unlike them is not yet drift
PSI_GROWN = 0.1  # an acknowledged shift is news again when it has grown by so much
LEAST_ROWS = 200  # of one day since the start
MOST_ROWS = 20_000
LEAST_ENDED = 100
CALIBRATION_OFF = 0.05
CALIBRATION_Z = 3.0
ENDED_WITHIN = timedelta(days=180)
SEEN_AFTER_DAYS = 28  # what was said so long after the start is compared with how it ended


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one feature has moved."""

    key: str
    name: str
    psi: float
    unknown_then: float
    unknown_now: float
    between_runs: float = 0.0  # how far the runs of the training set were from each other

    @property
    def moved(self) -> bool:
        return self.psi > max(PSI_MOVED, BEYOND_RUNS * self.between_runs)


@dataclass(frozen=True, slots=True)
class Stability:
    """Every feature's shift, the furthest first; ``too_little`` says why there is none."""

    shifts: tuple[Shift, ...] = ()
    rows: int = 0
    too_little: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was said on average, and how often it came true."""

    people: int = 0
    said: float = 0.0
    came_true: float = 0.0
    too_little: str = ""

    @property
    def is_off(self) -> bool:
        if self.too_little:
            return False
        spread = sqrt(max(self.said * (1 - self.said), 1e-6) / self.people)
        off = abs(self.said - self.came_true)
        return off > CALIBRATION_OFF and off > CALIBRATION_Z * spread


# --- arithmetic ---------------------------------------------------------------------------------------------------


def stability_of(
    rows: Sequence[tuple[int, Mapping[str, Any]]], card: cards.Card, used: Sequence[str]
) -> Stability:
    """The shifts of these features over (day since the start, features) rows.

    Each row is compared with people who were as long in their course in training, where the card knows them.
    """
    import numpy as np

    by_day: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    known_days = sorted(int(day) for day in card.distribution_by_day)
    for began, features in rows:
        nearest = min(known_days, key=lambda known: abs(known - began)) if known_days else None
        by_day["" if nearest is None else str(nearest)].append(features)
    judged = {day: group for day, group in by_day.items() if len(group) >= LEAST_ROWS}
    total = sum(len(group) for group in judged.values())
    if not total:
        return Stability(
            rows=len(rows), too_little=f"Only {len(rows)} people are active; {LEAST_ROWS} are needed to tell."
        )
    shifts = []
    for key in used:
        index = between = then_unknown = now_unknown = 0.0
        weight = 0
        for day, group in judged.items():
            then = (card.distribution_by_day.get(day) or card.training_distribution).get(key)
            if then is None:
                continue
            values = np.array([_number(features.get(key)) for features in group])
            # By chance alone it is near (bins - 1) / rows: taken off, so that few rows do not look like a shift.
            index += len(group) * max(cards.psi(then, values) - (len(then.shares) or 1) / len(group), 0.0)
            between += len(group) * then.between_runs
            then_unknown += len(group) * then.unknown
            now_unknown += len(group) * float(np.isnan(values).mean())
            weight += len(group)
        if weight:
            feature = BY_KEY.get(key)
            shifts.append(
                Shift(
                    key,
                    feature.name if feature else key,
                    index / weight,
                    then_unknown / weight,
                    now_unknown / weight,
                    between / weight,
                )
            )
    return Stability(tuple(sorted(shifts, key=lambda shift: (-shift.psi, shift.key))), total)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


# --- measuring ----------------------------------------------------------------------------------------------------

_ROWS = """
SELECT greatest(%(today)s::date - e.starts_on, 0), f.values
FROM signals_featurerow f {sample}
JOIN learners_enrolment e ON e.id = f.enrolment_id AND e.state = 'active' AND e.starts_on <= %(today)s
ORDER BY f.enrolment_id
LIMIT %(most)s
"""


def stability(model: ModelVersion, *, now: datetime) -> Stability:
    """How far people have moved from those this model learned from; a bounded sample, whatever the size."""
    try:
        card = cards.read(model.card)
    except cards.UnreadableCard as fault:
        return Stability(too_little=str(fault))
    if not card.training_distribution:
        return Stability(too_little="This model was not trained, so there is nothing to compare with.")
    used = [feature.key for feature in card.features] or list(card.training_distribution)
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'signals_featurerow'::regclass")
        rows = max(cursor.fetchone()[0], 0)
        # Whole pages by chance: a large table is not read through for twenty thousand rows.
        percent = min(100.0, 150.0 * MOST_ROWS / rows) if rows else 100.0
        sample = f"TABLESAMPLE SYSTEM ({percent:.4f}) REPEATABLE (1)" if percent < 100 else ""
        cursor.execute(_ROWS.format(sample=sample), {"today": now.date(), "most": MOST_ROWS})
        found = [(day, features if isinstance(features, dict) else {}) for day, features in _decoded(cursor)]
    return stability_of(found, card, used)


def _decoded(cursor: Any) -> list[tuple[int, Any]]:
    import json

    return [(day, json.loads(text) if isinstance(text, str) else text) for day, text in cursor.fetchall()]


_SAID = """
WITH over AS (
    -- Runs in which nearly everyone's end is known. In one that goes on, only those who gave up have ended.
    SELECT course_id, starts_on FROM learners_enrolment WHERE starts_on <= %(today)s
    GROUP BY course_id, starts_on
    HAVING avg((state <> 'active')::int) >= 0.95 AND max(ended_at) > %(since)s
)
SELECT e.id, ((e.starts_on + %(days)s) + time '23:59:59') AT TIME ZONE 'UTC' AS as_of, said.after
FROM over
JOIN learners_enrolment e USING (course_id, starts_on)
JOIN LATERAL (
    SELECT r.after, r.model_version_id FROM signals_riskchange r
    WHERE r.enrolment_id = e.id AND r.at <= ((e.starts_on + %(days)s) + time '23:59:59') AT TIME ZONE 'UTC'
    ORDER BY r.at DESC, r.id DESC LIMIT 1
) said ON said.model_version_id = %(model)s AND said.after IS NOT NULL
WHERE e.ended_at > ((e.starts_on + %(days)s) + time '23:59:59') AT TIME ZONE 'UTC'
ORDER BY e.id LIMIT %(most)s
"""


def calibration(model: ModelVersion, *, now: datetime) -> Calibration:
    """What this model said of people four weeks into their course, against how it ended for them."""
    from signals import labels

    label = model.label or "passed_by_end@1"
    with connection.cursor() as cursor:
        cursor.execute(
            _SAID,
            {
                "today": now.date(),
                "since": now - ENDED_WITHIN,
                "days": SEEN_AFTER_DAYS,
                "model": model.pk,
                "most": MOST_ROWS,
            },
        )
        rows = cursor.fetchall()
    ended = (
        labels.for_training(label=label, points=[(pk, as_of) for pk, as_of, _ in rows], now=now)
        if rows
        else []
    )
    # Somebody acted on the others: that it did not come true is what acting is for.
    told = [
        (float(said), 0.0 if one.value else 1.0)
        for (_, _, said), one in zip(rows, ended, strict=True)
        if one.value is not None and not one.treated
    ]
    if len(told) < LEAST_ENDED:
        return Calibration(
            people=len(told),
            too_little=f"Of {len(told)} people this model spoke of, it is known how it ended; {LEAST_ENDED} are"
            " needed to tell.",
        )
    return Calibration(
        len(told), sum(said for said, _ in told) / len(told), sum(true for _, true in told) / len(told)
    )


# --- findings -----------------------------------------------------------------------------------------------------


def inspect(*, now: datetime) -> int:
    """How many findings about the live model were opened or closed. Running it again finds nothing new."""
    model = live_model(now=now)
    moved = stability(model, now=now)
    right = calibration(model, now=now)
    with transaction.atomic():
        return _stability(model, moved, now) + _calibration(model, right, now)


def _stability(model: ModelVersion, found: Stability, now: datetime) -> int:
    kind = Finding.Kind.MODEL_DRIFT
    if found.too_little:
        return 0  # what cannot be told neither opens nor closes anything
    known = _acknowledged(model, kind)
    news = [
        shift for shift in found.shifts if shift.moved and shift.psi > known.get(shift.key, -1.0) + PSI_GROWN
    ]
    if not news:
        return _close(model, kind, now)
    worst = news[0]
    names = ", ".join(f"{shift.name} ({shift.psi:.2f})" for shift in news[:5])
    return _open(
        model,
        kind,
        now,
        measured=worst.psi,
        high=PSI_MOVED,
        cases=found.rows,
        says=f"{len(news)} of {len(found.shifts)} features have moved since training: {names}. Population stability"
        f" index, measured on {found.rows:,} people; above {PSI_MOVED} matters.",
        mend="Look at whether a source changed what it sends (the sources' own findings). If people really are"
        " different now, acknowledge this; promotion goes on, and the next training learns from them.",
        detail={"features": {shift.key: round(shift.psi, 4) for shift in news}},
    )


def _calibration(model: ModelVersion, found: Calibration, now: datetime) -> int:
    kind = Finding.Kind.MODEL_CALIBRATION
    if found.too_little:
        return 0
    known = _acknowledged(model, kind).get("calibration", 0.0)
    off = abs(found.said - found.came_true)
    if not found.is_off or off <= known + CALIBRATION_OFF / 2:
        return _close(model, kind, now)
    return _open(
        model,
        kind,
        now,
        measured=found.came_true,
        low=found.said - CALIBRATION_OFF,
        high=found.said + CALIBRATION_OFF,
        cases=found.people,
        says=f"Of {found.people:,} people whose course is over, {found.said:.1%} were to fail by what the model said"
        f" four weeks in; {found.came_true:.1%} did.",
        mend="If it says too much, coaches look at people who do not need it: roll back to the model before, or"
        " acknowledge this and let the next training learn from it.",
        detail={"features": {"calibration": round(off, 4)}},
    )


def _acknowledged(model: ModelVersion, kind: str) -> dict[str, float]:
    """What somebody has called normal of this model, by feature, at its furthest."""
    furthest: dict[str, float] = {}
    for detail in Finding.objects.filter(model=model, kind=kind, ending=Finding.Ending.ACCEPTED).values_list(
        "detail", flat=True
    ):
        for key, value in detail.get("features", {}).items():
            furthest[key] = max(furthest.get(key, 0.0), float(value))
    return furthest


def _close(model: ModelVersion, kind: str, now: datetime) -> int:
    return (
        Finding.objects.open()
        .filter(model=model, kind=kind)
        .update(closed_at=now, ending=Finding.Ending.RECOVERED)
    )


def _open(model: ModelVersion, kind: str, now: datetime, **seen: Any) -> int:
    """1 where a finding is new; an open one is brought up to date."""
    seen["last_seen_at"] = now
    if Finding.objects.open().filter(model=model, kind=kind).update(**seen):
        return 0
    Finding.objects.create(model=model, kind=kind, opened_at=now, **seen)
    return 1
