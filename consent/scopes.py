"""The purposes for which a learner's data may be used, one scope each."""

from enum import StrEnum

from django.db import models


class Scope(StrEnum):
    RECORD = "record"
    PROFILE = "profile"
    NUDGE = "nudge"
    MANAGER = "manager"
    COACH = "coach"
    EXPERIMENT = "experiment"
    RESEARCH = "research"


# Not a Scope on purpose: no code can ask for it. It has a row so that the refusal can be read and tested.
APPRAISAL = "appraisal"


class LawfulBasis(models.TextChoices):
    CONSENT = "consent", "Consent"
    LEGITIMATE_INTEREST = "legitimate_interest", "Legitimate interest"
    CONTRACT = "contract", "Contract"
    LEGAL_OBLIGATION = "legal_obligation", "Legal obligation"
