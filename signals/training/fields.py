"""What the tables about models hold, declared as ``consent.registry`` asks. Only a shadow risk is about a person."""

from consent.registry import Fields

FIELDS: dict[str, Fields] = {
    "Promotion": Fields((), ("id", "candidate", "replaced", "at", "by", "outcome", "reason", "comparison")),
    "ShadowRisk": Fields(
        ("enrolment", "value", "live_value"), ("model_version", "live_model", "as_of", "asked_at")
    ),
    "RetiredFeature": Fields((), ("id", "key", "reason", "retired_at", "retired_by", "restored_at")),
    "ModelAudit": Fields(
        (),
        (
            "id",
            "kind",
            "model_version",
            "parameters",
            "asked_at",
            "asked_by",
            "begun_at",
            "done_at",
            "result",
            "says",
        ),
    ),
    "TrainingRun": Fields((), ("id", "at", "label", "outcome", "model_version", "says", "seconds")),
}
