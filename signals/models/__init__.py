"""What we know: statements, events, features, risks and labels."""

from signals.models.archive import ArchiveFile
from signals.models.certificates import Certificate
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
from signals.models.governance import ModelAudit, Promotion, RetiredFeature, ShadowRisk, TrainingRun
from signals.models.intake import ClockCorrection, IssuerTrust, Refusal
from signals.models.knowledge import (
    CohortGrid,
    FeatureFault,
    FeatureRow,
    Label,
    ModelVersion,
    Risk,
    RiskChange,
)
from signals.models.looks import ModelFault, SecondLook, SecondLookBudget
from signals.models.mastery import ItemDifficulty, Mastery, MasteryFit
from signals.models.quality import DayOff, Finding, IntakeNote, SourceDay, SourceTerm, TallyMark
from signals.models.sources import (
    AwaitedEmployee,
    ContractBreach,
    DataContract,
    Feed,
    ImportRun,
    Lineage,
)
from signals.models.statements import Credential, ParkedOutside, Quarantined, Statement

__all__ = [
    "Activity",
    "ArchiveFile",
    "AssessmentResult",
    "Attachment",
    "AttachmentUse",
    "AwaitedEmployee",
    "Certificate",
    "ClockCorrection",
    "CohortGrid",
    "ContractBreach",
    "Credential",
    "DailyRollup",
    "DataContract",
    "DayOff",
    "Device",
    "Dictionary",
    "Document",
    "EnrolmentMark",
    "Event",
    "FeatureFault",
    "FeatureRow",
    "Feed",
    "Finding",
    "ImportRun",
    "IntakeNote",
    "IssuerTrust",
    "ItemDifficulty",
    "Label",
    "Lineage",
    "Mastery",
    "MasteryFit",
    "ModelAudit",
    "ModelFault",
    "ModelVersion",
    "Network",
    "ParkedOutside",
    "Promotion",
    "Quarantined",
    "Refusal",
    "RetiredFeature",
    "Risk",
    "RiskChange",
    "SecondLook",
    "SecondLookBudget",
    "ShadowRisk",
    "SourceDay",
    "SourceTerm",
    "Statement",
    "StatementLink",
    "TallyMark",
    "TrainingRun",
    "UnknownVerb",
    "Verb",
    "VerbSynonym",
]
