"""What we know: statements, events, features, risks and labels."""

from signals.models.documents import Activity, Attachment, AttachmentUse, Document, StatementLink
from signals.models.events import (
    AssessmentResult,
    DailyRollup,
    EnrolmentMark,
    Event,
    UnknownVerb,
    Verb,
    VerbSynonym,
)
from signals.models.intake import ClockCorrection, IssuerTrust, Refusal
from signals.models.knowledge import FeatureRow, Label, ModelVersion, Risk, RiskChange
from signals.models.statements import Credential, Quarantined, Statement

__all__ = [
    "Activity",
    "AssessmentResult",
    "Attachment",
    "AttachmentUse",
    "ClockCorrection",
    "Credential",
    "DailyRollup",
    "Document",
    "EnrolmentMark",
    "Event",
    "FeatureRow",
    "IssuerTrust",
    "Label",
    "ModelVersion",
    "Quarantined",
    "Refusal",
    "Risk",
    "RiskChange",
    "Statement",
    "StatementLink",
    "UnknownVerb",
    "Verb",
    "VerbSynonym",
]
