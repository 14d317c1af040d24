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


class LawfulBasis(models.TextChoices):
    CONSENT = "consent", "Consent"
    LEGITIMATE_INTEREST = "legitimate_interest", "Legitimate interest"
    CONTRACT = "contract", "Contract"
    LEGAL_OBLIGATION = "legal_obligation", "Legal obligation"
