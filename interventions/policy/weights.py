"""The weights of the composite that a policy trusts: what they make of a snapshot, and how they come into force."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import transaction

from interventions.policy.document import LIVE, Document
from interventions.snapshot import Snapshot
from signals.mastery.choice import ANSWERS
from signals.models import ModelVersion, Promotion
from signals.risk import composite
from signals.risk.composite import KIND, Parameters
from signals.risk.live import live_model
from signals.training import promotion


class Weights(NamedTuple):
    """A composite as it would score."""

    model: str
    parameters: Parameters


def trusted_by(document: Document) -> Weights | None:
    """The weights of the composite that this policy names; None where it names none."""
    if document.model == LIVE:
        return None
    return _weights(ModelVersion.objects.filter(name=document.model, kind=KIND).first())


def shown_with(document: Document, *, now: datetime) -> Weights:
    """The weights to begin with when somebody edits this policy: what it trusts, else the newest composite in use."""
    live = live_model(now=now)
    version = (
        live if live.kind == KIND else ModelVersion.objects.filter(kind=KIND).order_by("created_at").first()
    )
    return (
        trusted_by(document)
        or _weights(version)
        or Weights("composite-1", Parameters.read(composite.PARAMETERS))
    )


def scored(snapshot: Snapshot, weights: Weights | None) -> Snapshot:
    """The snapshot with the risk that these weights give; as it is where there are none, or they gave it."""
    if weights is None or snapshot.model in (None, weights.model):
        return snapshot
    assessed = composite.assess(features(snapshot), weights.parameters, as_of=snapshot.now)
    return msgspec.structs.replace(
        snapshot,
        risk=assessed.value,
        coverage=assessed.coverage,
        known_signals=assessed.known_signals,
        model=weights.model,
    )


def features(snapshot: Snapshot) -> dict[str, object]:
    """What the composite looks at, as far as a snapshot keeps it."""
    seen = snapshot.seen
    return {
        "mastery": seen.mastery,
        "mastery_mean": seen.mastery if seen.mastery_from == ANSWERS else None,
        "days_inactive": snapshot.days_inactive,
        "fail_rate": seen.fail_rate,
        "failures_in_a_row": seen.failures_in_a_row,
        "last_active_at": _iso(seen.last_active_at),
        "started_at": _iso(seen.started_at),
    }


def come_into_force(
    document: Document,
    *,
    before: Document | None,
    version: int,
    is_return: bool,
    by: UUID | None,
    now: datetime,
) -> Promotion | None:
    """Makes the composite live that this policy names, in the transaction in which the policy comes into force.

    A learned model is replaced by the gate alone, so a composite follows a composite. A way back to a policy that
    trusts whatever is live brings back what was live before the policy that is left put its own weights in force.
    """
    live = live_model(now=now)
    wanted = (
        ModelVersion.objects.filter(name=document.model, kind=KIND).first()
        if document.model != LIVE
        else (_replaced_by(live, before) if is_return else None)
    )
    if wanted is None or wanted.pk == live.pk or live.kind != KIND:
        return None
    with transaction.atomic():
        return promotion.with_policy(candidate=wanted, version=version, by=by, now=now)


def _replaced_by(live: ModelVersion, before: Document | None) -> ModelVersion | None:
    if before is None or before.model != live.name or live.kind != KIND:
        return None
    row = (
        Promotion.objects.filter(outcome=Promotion.Outcome.PROMOTED, candidate=live, replaced__kind=KIND)
        .select_related("replaced")
        .order_by("-pk")
        .first()
    )
    return row.replaced if row is not None else None


def _weights(version: ModelVersion | None) -> Weights | None:
    return None if version is None else Weights(version.name, Parameters.read(version.parameters))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
