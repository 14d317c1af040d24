"""What the tables about models hold, declared as ``consent.registry`` asks. Only a shadow risk is about a person."""

from consent.registry import Fields

FIELDS: dict[str, Fields] = {
    "Promotion": Fields((), ("id", "candidate", "replaced", "at", "by", "outcome", "reason", "comparison")),
    "ShadowRisk": Fields(
        ("enrolment", "value", "live_value"), ("model_version", "live_model", "as_of", "asked_at")
    ),
    "RetiredFeature": Fields((), ("id", "key", "reason", "retired_at", "retired_by", "restored_at")),
    "TrainingRun": Fields((), ("id", "at", "label", "outcome", "model_version", "says", "seconds")),
}
