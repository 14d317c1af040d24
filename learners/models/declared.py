"""What people, or the systems that enrolled them, declare about themselves: for audits of fairness and nothing else."""

from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedTextField


class DeclaredAttribute(models.Model):
    """One declared attribute of a learner, such as gender or age band.

    Read to see whether a model treats groups alike. Never an input of a feature, a risk or a decision: a guard test
    keeps it away from the modules that compute them.
    """

    class Name(models.TextChoices):
        GENDER = "gender", "Gender"
        DISABILITY = "disability", "Disability"
        AGE_BAND = "age_band", "Age band"
        DEPRIVATION_BAND = "deprivation_band", "Deprivation band of where they live"
        FIRST_LANGUAGE = "first_language", "First language"
        EDUCATION = "education", "Highest education"

    learner = models.ForeignKey("learners.Learner", on_delete=models.CASCADE, related_name="declared")
    name = models.CharField(max_length=32, choices=Name)
    value = EncryptedTextField()
    source = models.CharField(max_length=64)  # who said it, in words: "Open University import"
    said_at = models.DateTimeField()

    class Meta:
        ordering = ("learner", "name", "pk")
        constraints = [
            models.UniqueConstraint(fields=("learner", "name"), name="an_attribute_is_declared_once"),
            models.CheckConstraint(
                condition=Q(
                    name__in=(
                        "gender",
                        "disability",
                        "age_band",
                        "deprivation_band",
                        "first_language",
                        "education",
                    )
                ),
                name="declared_attribute_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"declared attribute {self.pk}"
