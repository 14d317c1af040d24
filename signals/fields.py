"""Every field of every model of signals, declared personal or not; a guard test fails until a new one is.

Written out, never taken from a model or a page that lists the same names: each name here is somebody's decision.
"""

from consent.registry import Fields
from signals.features.kinds import KINDS
from signals.features.rollup import QUARTERS
from signals.quality import fields as about_sources
from signals.risk import personal
from signals.training import fields as about_models

FIELDS: dict[str, Fields] = {
    "Credential": Fields(
        ("authority", "authority_hash"),  # may name the person who answers for a system
        (
            "id",
            "name",
            "key",
            "secret_hash",
            "permissions",
            "source",
            "unit",
            "requests_per_minute",
            "clock",
            "clock_offset_s",
            "is_active",
            "first_day",
            "created_at",
            "last_used_at",
        ),
    ),
    "IssuerTrust": Fields(
        (),
        ("id", "credential", "issuer", "client_id", "audience", "keys_url", "claim", "grants", "is_active"),
    ),
    "Refusal": Fields((), ("id", "credential", "day", "kind", "requests", "statements", "last_at")),
    "ClockCorrection": Fields(("statement_id", "occurred_at"), ("clock", "offset_s", "made_at")),
    "Statement": Fields(
        ("id", "actor", "search_keys", "digest", "body"),
        ("stored", "credential", "verb", "voids", "voided_at", "parked"),
    ),
    # Made from statements without their people; see signals.dictionaries.
    "Dictionary": Fields((), ("number", "content", "in_use", "statements", "made_at")),
    "ParkedOutside": Fields((), ("statement", "seen")),
    "Quarantined": Fields(
        ("statement_id", "digest", "body", "mended", "faults", "note"),
        ("id", "credential", "reason", "state", "received_at", "tried_at", "settled_at", "settled_by"),
    ),
    "Document": Fields(
        ("agent", "name_hash", "name", "content"),
        ("id", "kind", "activity", "registration", "content_type", "updated_at"),
    ),
    "Attachment": Fields(("key", "content"), ("content_type", "length")),
    "AttachmentUse": Fields(("statement",), ("id", "attachment")),
    "StatementLink": Fields(("statement", "target", "keys"), ("stored",)),
    "Activity": Fields((), ("key", "definition", "updated_at")),
    # The rows say how much there was in a month; the files they name hold people (see signals.archive).
    "ArchiveFile": Fields(
        (),
        (
            "id",
            "kind",
            "month",
            "name",
            "rows",
            "bytes",
            "sha256",
            "first_at",
            "last_at",
            "schema_version",
            "sealed_key",
            "source_hash",
            "archived_at",
            "verified_at",
            "cooled_at",
        ),
    ),
    "VerbSynonym": Fields((), ("id", "iri", "verb")),
    "UnknownVerb": Fields((), ("id", "iri", "seen", "first_seen_at", "last_seen_at")),
    "Event": Fields(
        (
            "statement_id",
            "learner_id",
            "enrolment_id",
            "occurred_at",
            "activity",
            "amount",
            "scaled",
            "success",
            "duration_s",
            "progress",
            "value",
            "session",
            "background_s",
            "device",
            "network",
        ),
        ("known_at", "known_seq", "verb", "activity_type", "voided_seq"),
    ),
    "AssessmentResult": Fields(
        ("statement_id", "learner_id", "enrolment_id", "occurred_at", "activity", "scaled", "success"),
        ("known_seq", "is_item", "voided_seq"),
    ),
    "Certificate": Fields(
        (
            "statement_id",
            "learner_id",
            "enrolment_id",
            "occurred_at",
            "activity",
            "course",
            "competency",
            "expires_at",
        ),
        ("known_at", "known_seq", "whole_day", "voided_seq"),
    ),
    "Feed": Fields(
        (), ("id", "source", "name", "base_url", "secret", "settings", "watermark", "is_active", "created_at")
    ),
    "ImportRun": Fields(
        ("file_name", "problems"),
        (
            "id",
            "source",
            "feed",
            "delivery",
            "by",
            "started_at",
            "finished_at",
            "rows",
            "new",
            "same",
            "changed",
            "waiting",
            "refused",
            "quarantined",
            "missing_columns",
        ),
    ),
    "Lineage": Fields(
        ("statement_id", "key", "digest"), ("run", "line", "source", "revision", "replaced_at")
    ),
    "AwaitedEmployee": Fields(("employee_hash", "number"), ("id", "since")),
    "DataContract": Fields(
        ("owner",),
        (
            "id",
            "name",
            "source",
            "feed",
            "credential",
            "columns",
            "most_refused",
            "fresh_hours",
            "period_days",
            "least_rows",
            "most_rows",
            "starts_at",
            "is_active",
        ),
    ),
    "ContractBreach": Fields(
        (), ("id", "contract", "kind", "sentence", "opened_at", "closed_at", "alerted_at")
    ),
    "EnrolmentMark": Fields(("enrolment", "dirty_days"), ("known_seq", "dirty_since")),
    "DailyRollup": Fields(
        (
            "enrolment",
            "day",
            "events",
            "amount",
            "activities",
            "learning_sessions",
            "seconds",
            "results",
            "failures",
            "score_sum",
            "score_count",
            "completions",
            "last_at",
            "hasty",
            *(f"kind_{kind}" for kind in KINDS),
            *QUARTERS,
            "opened",
            "watched",
            "watched_shares",
        ),
        ("recipe",),
    ),
    # How ten people and more are spread; nobody can be read from it.
    "CohortGrid": Fields((), ("id", "course", "starts_on", "as_of", "feature_set", "people", "grids")),
    "FeatureFault": Fields((), ("id", "key", "version", "fault", "times", "first_at", "last_at")),
    "ModelVersion": Fields(
        (),
        (
            *(
                "id",
                "name",
                "kind",
                "parameters",
                "is_live",
                "created_at",
                "artefact",
                "feature_set",
                "label",
            ),
            *("trained_as_of", "dataset_hash", "code_version", "metrics", "card"),
            *("is_shadow", "taken_back_at"),
        ),
    ),
    "FeatureRow": Fields(("enrolment", "values"), ("feature_set", "as_of", "known_seq")),
    "Risk": Fields(
        ("enrolment", "value", "reasons"),
        (
            *("base", "coverage", "known_signals", "model_version", "as_of", "known_seq", "review_at"),
            "unread_since",
        ),
    ),
    "RiskChange": Fields(("enrolment", "before", "after", "at"), ("id", "model_version")),
    "Label": Fields(
        ("enrolment", "as_of", "value"),
        ("id", "definition", "horizon_days", "treated", "propensity", "recorded_at"),
    ),
    "ItemDifficulty": Fields((), ("activity", "competency", "difficulty", "answers", "fit")),
    "Mastery": Fields(
        ("learner", "competency", "value", "low", "high", "answers", "last_answer_at"), ("as_of", "fit")
    ),
    "MasteryFit": Fields(
        (), ("id", "fitted_at", "fading", "pooled", "strands", "answers", "learners", "metrics")
    ),
    **about_sources.FIELDS,
    **personal.FIELDS,
    **about_models.FIELDS,
}
