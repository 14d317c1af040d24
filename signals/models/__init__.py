"""What we know: statements, events, features, risks and labels."""

from signals.models.dictionaries import Dictionary
from signals.models.documents import Activity, Attachment, AttachmentUse, Document, StatementLink
from signals.models.events import (
    AssessmentResult,
    DailyRollup,
    Device,
    EnrolmentMark,
    Event,
    Network,
    UnknownVerb,
    Verb,
    VerbSynonym,
)
from signals.models.intake import ClockCorrection, IssuerTrust, Refusal
from signals.models.knowledge import FeatureRow, Label, ModelVersion, Risk, RiskChange
from signals.models.sources import (
    AwaitedEmployee,
    ContractBreach,
    DataContract,
    Feed,
    ImportRun,
    Lineage,
)
from signals.models.statements import Credential, Quarantined, Statement

__all__ = [
    "Activity",
    "AssessmentResult",
    "Attachment",
    "AttachmentUse",
    "AwaitedEmployee",
    "ClockCorrection",
    "ContractBreach",
    "Credential",
    "DailyRollup",
    "DataContract",
    "Device",
    "Dictionary",
    "Document",
    "EnrolmentMark",
    "Event",
    "FeatureRow",
    "Feed",
    "ImportRun",
    "IssuerTrust",
    "Label",
    "Lineage",
    "ModelVersion",
    "Network",
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
