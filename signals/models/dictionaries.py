"""What statements of this installation have in common, by which they are compressed."""

from django.db import models
from django.db.models import Q

from consent.crypto import EncryptedTextField


class Dictionary(models.Model):
    """A compression dictionary. Bodies name it by its number, so it is kept as long as they are: for good."""

    number = models.SmallIntegerField(primary_key=True)  # the first byte of a body
    content = EncryptedTextField(blank=True)  # base64
    in_use = models.BooleanField()  # not where it proved no better than the one before
    statements = models.BigIntegerField()  # how many there were when it was made
    made_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "dictionaries"
        ordering = ("number",)
        constraints = [
            # Below are those that come with the code; a body has one byte for it.
            models.CheckConstraint(
                condition=Q(number__gte=16, number__lte=255), name="a_dictionary_number_is_one_byte"
            )
        ]

    def __str__(self) -> str:
        return f"dictionary {self.number}"
