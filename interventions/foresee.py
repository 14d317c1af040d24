"""What would be decided about an enrolment now, without deciding it: for previews of changes further down."""

from collections.abc import Sequence
from datetime import datetime

from interventions.decide import decide
from interventions.models.deciding import Action
from interventions.policy import store
from interventions.situation import snapshots
from interventions.wordlist import REASONS
from signals.preview import Foreseen


def foresee(enrolment_ids: Sequence[int], *, now: datetime) -> dict[int, Foreseen]:
    """Enrolment → the choice the policy in force would make of what is known now. Writes nothing."""
    policy_row = store.live()
    policy = store.document(policy_row)
    situations = snapshots(enrolment_ids, policy=policy, policy_version=policy_row.version, now=now)
    choices = {pk: decide(snapshot, policy) for pk, snapshot in situations.items()}
    return {
        pk: Foreseen(
            str(Action(choice.action).label),
            " ".join(
                REASONS["en"][key]
                for key in (r.split(":")[0] for r in choice.reasons)
                if key in REASONS["en"]
            ),
        )
        for pk, choice in choices.items()
    }
