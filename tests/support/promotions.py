"""Model versions and made-up scores of two models, for what decides between them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from signals.models import Finding, ModelVersion, Promotion
from signals.risk.score import live_model
from signals.training.gate import Evidence

if TYPE_CHECKING:
    from signals.array_types import Floats

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)


def make_version(name: str = "candidate", **fields: Any) -> ModelVersion:
    """A version that scores like the composite, with other weights where asked for."""
    return ModelVersion.objects.create(**{"name": name, "kind": "composite", "created_at": NOW, **fields})


def live_by_rows() -> ModelVersion | None:
    """What the newest promoting row says is live; None where nothing was ever promoted."""
    made_live = (Promotion.Outcome.PROMOTED, Promotion.Outcome.ROLLED_BACK)
    newest = (
        Promotion.objects.filter(outcome__in=made_live).select_related("candidate").order_by("-pk").first()
    )
    return newest.candidate if newest is not None else None


def make_finding(model: ModelVersion, kind: str = "model_drift") -> Finding:
    """An open alert about a model."""
    return Finding.objects.create(
        model=model, kind=kind, opened_at=NOW, last_seen_at=NOW, measured=0.4, cases=900, says="…", mend="…"
    )


def drawn(*, people: int = 600, skill: float = 2.0, seed: int = 1) -> "tuple[Floats, Floats]":
    """What came true, and calibrated probabilities that tell it apart the better the higher the skill."""
    import numpy as np

    chance = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-(skill * chance.standard_normal(people) - 0.5)))
    return (chance.random(people) < p).astype(float), p


def dulled(p: "Floats", *, noise: float = 1.0, seed: int = 2) -> "Floats":
    """The same scores with something else mixed in: a model that knows less."""
    import numpy as np

    chance = np.random.default_rng(seed)
    return 1 / (1 + np.exp(-(np.log(p / (1 - p)) * 0.4 + noise * chance.standard_normal(len(p)) - 0.2)))


def make_evidence(*, candidate: str = "candidate", better: bool = True, **fields: Any) -> Evidence:
    """600 people, of whom the candidate knows more than the live model, or less."""
    import numpy as np

    y, sharp = drawn()
    dull = dulled(sharp)
    made: dict[str, Any] = {
        "candidate": candidate,
        "live": live_model(now=NOW).name,
        "old": dull if better else sharp,
        "new": sharp if better else dull,
        "y": y,
        "people": np.arange(len(y)),
        "runs": ["AAA/2026"] * len(y),
        "data": "rows-1",
    }
    return Evidence(**{**made, **fields})
