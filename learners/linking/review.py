"""A person decides about a pair: the same, different, or nobody can tell. Decisions are remembered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import Party
from learners.identity import IdentifierTaken, add_identifier, canonical_identifier
from learners.linking.model import LABELS
from learners.merging.merge import CannotMerge, merge
from learners.merging.registry import merging_modules
from learners.merging.undo import CannotUndo
from learners.models import Identifier, Learner, LinkCandidate, LinkRecord, Merge

State = LinkCandidate.State


class AlreadyDecided(Exception):
    """Somebody else has decided about this pair; the message says how."""


def same(*, candidate_id: int, keep: UUID | None, by: UUID, now: datetime) -> Merge | Identifier:
    """The two are one person: learners are merged into `keep`; an actor's identifier becomes the learner's.

    Raises AlreadyDecided, CannotMerge, IdentifierTaken; then nothing has changed.
    """
    with transaction.atomic():
        candidate = _claim(candidate_id)
        learner, actor = _sides(candidate)
        party = Party("user", by)
        done: Merge | Identifier
        if actor is not None:
            if learner is None or learner.erased_at or learner.merged_into_id:
                raise CannotMerge("The learner's record is no longer there.")
            done = _name(actor, learner, now)
            candidate.identifier = done
        else:
            people = {record.learner_id for record in (candidate.left, candidate.right)}
            if keep not in people:
                raise CannotMerge("Say which of the two records is kept.")
            (duplicate,) = people - {keep}
            assert keep is not None and duplicate is not None  # both sides are learners here
            done = merge(duplicate=duplicate, into=keep, by=party, now=now, candidate=candidate)
        _decide(candidate, State.SAME, by, now)
    return done


def different(*, candidate_id: int, by: UUID, now: datetime) -> None:
    """Two people. Not asked again, unless the evidence becomes clearly stronger than it is now."""
    with transaction.atomic():
        _decide(_claim(candidate_id), State.DIFFERENT, by, now)


def unsure(*, candidate_id: int, by: UUID, now: datetime) -> None:
    """Nobody can tell from what is here. Asked again like `different`."""
    with transaction.atomic():
        _decide(_claim(candidate_id), State.UNSURE, by, now)


def take_back(*, candidate_id: int, by: UUID, now: datetime) -> None:
    """An actor is not this learner after all: their statements wait again. For learners, undo the merge."""
    with transaction.atomic():
        candidate = LinkCandidate.objects.select_for_update(of=("self",)).get(pk=candidate_id)
        _, actor = _sides(candidate)
        identifier = candidate.identifier
        if candidate.state != State.SAME or actor is None or identifier is None:
            raise CannotUndo("Only an actor that was taken for a learner can be taken back here.")
        holder = identifier.learner_id
        Identifier.objects.filter(pk=identifier.pk).delete()
        for _, module in merging_modules():
            if hasattr(module, "forget_actor"):
                module.forget_actor(bytes(actor.actor or b""), holder, now=now)
        candidate.refresh_from_db()
        _decide(candidate, State.DIFFERENT, by, now)


def explained(evidence: dict[str, dict[str, Any]]) -> list[tuple[str, str, float]]:
    """(what, how alike, weight in bits) in words, the strongest first; weights below 0 speak against."""
    rows = [
        (*LABELS.get((field, found["level"]), (field, found["level"])), found["weight"])
        for field, found in evidence.items()
    ]
    return sorted(rows, key=lambda row: -abs(row[2]))


def _claim(candidate_id: int) -> LinkCandidate:
    candidate = (
        LinkCandidate.objects.select_for_update(of=("self",))
        .select_related("left__learner", "right__learner")
        .get(pk=candidate_id)
    )
    if candidate.state not in (State.WAITING, State.UNSURE):
        raise AlreadyDecided(f"This pair is decided already: {candidate.get_state_display().lower()}.")
    return candidate


def _sides(candidate: LinkCandidate) -> tuple[Learner | None, LinkRecord | None]:
    """A learner of the pair, and the actor if one side is one."""
    records = (candidate.left, candidate.right)
    learner = next((record.learner for record in records if record.learner is not None), None)
    return learner, next((record for record in records if record.actor is not None), None)


def _name(actor: LinkRecord, learner: Learner, now: datetime) -> Identifier:
    agent: dict[str, Any] = actor.agent or {}
    kind = next((name for name in ("mbox", "mbox_sha1sum", "account", "openid") if agent.get(name)), None)
    if kind is None or canonical_identifier(agent) is None:
        raise CannotMerge("This actor has no identifier that could be given to somebody.")
    value = agent[kind]
    if kind == "account":
        value = f"{value['homePage']}|{value['name']}"
    return add_identifier(learner=learner, kind=kind, value=value, now=now)


def _decide(candidate: LinkCandidate, state: str, by: UUID, now: datetime) -> None:
    candidate.state, candidate.decided_by, candidate.decided_at = state, by, now
    candidate.save(update_fields=["state", "decided_by", "decided_at", "identifier"])
    people = [record.learner_id for record in (candidate.left, candidate.right) if record.learner_id]
    audit.record(
        actor=Party("user", by),
        action=f"link.{state}",
        target=Party("pair", UUID(int=candidate.pk)),
        now=now,
        detail={"learners": sorted(str(pk) for pk in people)},
    )


__all__ = [
    "AlreadyDecided",
    "CannotMerge",
    "CannotUndo",
    "IdentifierTaken",
    "different",
    "explained",
    "same",
    "take_back",
    "unsure",
]
