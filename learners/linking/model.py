"""How much each likeness says about two records being one person: a Fellegi-Sunter model (1969), run by splink.

Per level, `m` is how often two records of one person look like that, `u` how often two people do. The figures were
estimated on invented people with typing errors (tests/bench/linking.py --estimate): nightly runs are far too small to
learn from, and a model that moves by itself could not be explained. Changing any of them makes a new VERSION.
"""

from typing import Any, NamedTuple

VERSION = "people-1"
# At or above this probability a person is asked. Nothing is ever merged by itself, however high it is.
ASK_AT = 0.2
# An unknown actor left alone is somebody's learning lost, so there a weaker likeness is worth the question.
ASK_ABOUT_ACTORS_AT = 0.05
# How many other records one record has, on average, that are of the same person; sets the prior.
EXPECTED_DUPLICATES = 0.05
EXPECTED_KNOWN = 0.5  # the share of unknown actors who are one of our learners
PRIOR = "asked"


class Level(NamedTuple):
    """One degree of likeness, from the most alike to the least."""

    key: str
    label: str  # what a reviewer reads
    condition: str  # SQL of DuckDB, _l and _r being the two records
    m: float
    u: float
    by_frequency: bool = False  # agreeing on a rare name says more than on a common one


class Compared(NamedTuple):
    """One thing that is compared, and its levels."""

    field: str
    label: str
    missing: str  # SQL: nothing to compare
    levels: tuple[Level, ...]


_NAME, _LOCAL = "dice(name_l, name_r)", "dice(local_l, local_r)"

# Name and local part are one comparison: addresses are made of names, so that they agree together is no second proof.
COMPARED = (
    # No likeness, but the prior: of unknown actors about half are somebody we know, of learners few are there twice.
    Compared(
        PRIOR,
        "what is asked",
        "FALSE",
        (
            Level(
                "actor",
                "an actor nobody knows",
                "is_actor_l OR is_actor_r",
                1.0,
                EXPECTED_DUPLICATES / EXPECTED_KNOWN,
            ),
            Level("learners", "two learners", "ELSE", 1.0, 1.0),
        ),
    ),
    Compared(
        "called",
        "name and address",
        "(name_l IS NULL OR name_r IS NULL) AND (local_l IS NULL OR local_r IS NULL)",
        (
            Level(
                "name_and_local",
                "same name, same address up to its domain",
                f"name_key_l = name_key_r AND {_LOCAL} >= 0.98",
                0.305,
                4.8e-6,
                by_frequency=True,
            ),
            Level("name", "same name", "name_key_l = name_key_r", 0.23, 4.7e-6, by_frequency=True),
            Level("local", "same address up to its domain", f"{_LOCAL} >= 0.98", 0.15, 2.1e-5),
            Level("name_close", "very similar name", f"{_NAME} >= 0.82", 0.19, 1.8e-5),
            Level("name_alike", "similar name", f"{_NAME} >= 0.68", 0.077, 6e-4),
            Level("local_close", "similar address", f"{_LOCAL} >= 0.75", 0.0033, 1.3e-4),
            Level("different", "different", "ELSE", 0.045, 0.999),
        ),
    ),
    Compared(
        "started",
        "first day of work",
        "started_l IS NULL OR started_r IS NULL",
        (
            Level("same", "same", "dice(started_l, started_r) >= 0.99", 0.88, 1.3e-4),
            Level(
                "one_part",
                "one of day, month and year differs",
                "dice(started_l, started_r) >= 0.4",
                0.087,
                8e-3,
            ),
            Level("different", "different", "ELSE", 0.033, 0.992),
        ),
    ),
    Compared(
        "number",
        "employee number",
        "number_l IS NULL OR number_r IS NULL",
        (
            Level("same", "same", "number_l = number_r", 0.096, 1e-6),
            Level("different", "different", "ELSE", 0.904, 0.999999),
        ),
    ),
    Compared(
        "unit",
        "unit",
        "unit_l IS NULL OR unit_r IS NULL",
        (
            Level("same", "same", "unit_l = unit_r", 0.76, 0.05),
            Level("different", "different", "ELSE", 0.24, 0.95),
        ),
    ),
    Compared(
        "job_role",
        "job role",
        "job_role_l IS NULL OR job_role_r IS NULL",
        (
            Level("same", "same", "job_role_l = job_role_r", 0.71, 0.1),
            Level("different", "different", "ELSE", 0.29, 0.9),
        ),
    ),
)
LABELS = {
    (compared.field, level.key): (compared.label, level.label)
    for compared in COMPARED
    for level in compared.levels
}


def settings(prior: float) -> dict[str, Any]:
    """The model as splink reads it; `prior` is how likely two records drawn blindly are of one person."""
    return {
        "link_type": "dedupe_only",  # within one table: each record says itself what it may be paired with
        "probability_two_random_records_match": prior,
        "blocking_rules_to_generate_predictions": [
            {
                # What has not changed was compared before; two unknown actors tell us nothing about a learner.
                "blocking_rule": "l.block = r.block AND (l.fresh OR r.fresh) AND NOT (l.is_actor AND r.is_actor)",
                "sql_dialect": "duckdb",
                "arrays_to_explode": ["block"],
            }
        ],
        "comparisons": [
            {
                "output_column_name": compared.field,
                "comparison_levels": [
                    {
                        "sql_condition": compared.missing,
                        "label_for_charts": "nothing to compare",
                        "is_null_level": True,
                    },
                    *(_level(level) for level in compared.levels),
                ],
            }
            for compared in COMPARED
        ],
        "unique_id_column_name": "id",
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,  # the weight of each comparison: the evidence
    }


def _level(level: Level) -> dict[str, Any]:
    out: dict[str, Any] = {
        "sql_condition": level.condition,
        "label_for_charts": level.key,
        "m_probability": level.m,
        "u_probability": level.u,
    }
    if level.by_frequency:
        out |= {"tf_adjustment_column": "name_key", "tf_adjustment_weight": 1.0}
    return out
