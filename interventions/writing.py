"""Writing decisions by the hundred: the one row of which every evaluation leaves one."""

from collections.abc import Sequence

import msgspec

from consent.arrays import fetch, float8s, int4s, int8s, moments, texts, uuids
from interventions.models import Decision

# Whole arrays, packed at once: a snapshot is a kilobyte and a half of JSON, and the driver escapes every quotation mark
# of it in Python.
_INSERT = """
INSERT INTO interventions_decision (id, enrolment_id, episode_id, step, policy_id, action, lesson_id, rule_id, eligible,
                                    propensity, expected_value, reasons, snapshot, known_seq, at)
SELECT n.id, n.enrolment, n.episode, n.step, n.policy, n.action, n.lesson, n.rule, n.eligible::jsonb, n.propensity,
       n.expected, n.reasons::jsonb, n.snapshot::jsonb, n.known_seq, n.at
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::int[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[],
            $9::text[], $10::float8[], $11::float8[], $12::text[], $13::text[], $14::bigint[], $15::timestamptz[])
    AS n (id, enrolment, episode, step, policy, action, lesson, rule, eligible, propensity, expected, reasons, snapshot,
          known_seq, at)
RETURNING 1
"""


def write(decisions: Sequence[Decision]) -> None:
    """Inserts these new decisions, in the caller's transaction. Raises IntegrityError as any insert does."""
    if not decisions:
        return
    fetch(
        _INSERT,
        [
            uuids([one.pk for one in decisions]),
            int8s([one.enrolment_id for one in decisions]),
            uuids([one.episode_id for one in decisions]),
            int4s([one.step for one in decisions]),
            int8s([one.policy_id for one in decisions]),
            texts([one.action for one in decisions]),
            int8s([one.lesson_id for one in decisions]),
            int8s([one.rule_id for one in decisions]),
            texts([_json(one.eligible) for one in decisions]),
            float8s([one.propensity for one in decisions]),
            float8s([one.expected_value for one in decisions]),
            texts([_json(one.reasons) for one in decisions]),
            texts([_json(one.snapshot) for one in decisions]),
            int8s([one.known_seq for one in decisions]),
            moments([one.at for one in decisions]),
        ],
    )
    for one in decisions:
        one._state.adding = False


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
