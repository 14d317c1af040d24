"""Which models the policy in force acts upon, told to those who promote them, and to those who change the policy."""

from interventions.policy import store
from interventions.policy.document import LIVE, Document
from signals.models import ModelVersion


def objection(name: str) -> str | None:
    """Why the policy in force would not act on this model, and what to do; None where it would."""
    try:
        policy = store.live()
    except store.NoPolicyInForce:
        return None  # nothing is acted upon anyway
    trusted = store.document(policy).model
    if trusted in (LIVE, name):
        return None
    return (
        f"Policy {policy.version} trusts only “{trusted}”: with “{name}” live, its risk trigger would fall silent."
        " First put a draft in force whose model is “Whatever the gate promoted”"
        f" (or “{name}”), then promote again."
    )


def silence(document: Document) -> str | None:
    """What to know before a policy is put in force that does not trust the live model; None where it does."""
    live = ModelVersion.objects.filter(is_live=True).first()
    if live is None or document.model in (LIVE, live.name):
        return None
    return (
        f"This policy trusts only “{document.model}”, but “{live.name}” is live: no risk counts, and the risk trigger"
        " is silent. The triggers of inactivity and mastery go on."
    )


def bounds() -> tuple[float, ...]:
    """The bounds of the risk bands of the policy in force."""
    try:
        bands = store.document(store.live()).bands
    except store.NoPolicyInForce:
        return ()
    return bands.medium, bands.high
