"""What linking keeps: what is compared, which pairs were found, and what each merge moved."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from consent.crypto import EncryptedJSONField


class LinkRecord(models.Model):
    """Somebody who may be somebody else: a learner, or an actor of parked statements whom nobody knows yet.

    A trigger makes one for every learner and marks it when the learner changes (migration 0022), so that a run costs
    as much as has changed.
    """

    learner = models.OneToOneField(
        "learners.Learner", null=True, blank=True, on_delete=models.CASCADE, related_name="link_record"
    )
    # learners.identity.identifier_hash of an actor, and the agent as the statements have it.
    actor = models.BinaryField(max_length=16, null=True, unique=True)
    agent = EncryptedJSONField(null=True, blank=True)
    # Keyed hashes (learners.linking.encoding): of everything compared, of the name, of coarsened values.
    fingerprint = models.BinaryField(max_length=16, null=True)
    name_key = models.BigIntegerField(null=True, blank=True)
    blocks = ArrayField(models.BigIntegerField(), default=list)
    dirty_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(
                condition=Q(learner__isnull=False, actor__isnull=True, agent__isnull=True)
                | Q(learner__isnull=True, actor__isnull=False, agent__isnull=False),
                name="a_link_record_is_of_a_learner_or_an_actor",
            )
        ]
        indexes = [
            # Who shares a block with what changed. Kept in order at once: a pending list would be read for each block.
            GinIndex(fields=("blocks",), name="link_record_by_block", fastupdate=False),
            models.Index(
                fields=("name_key",), condition=Q(name_key__isnull=False), name="link_record_by_name"
            ),  # how common a name is
            models.Index(
                fields=("dirty_since",), condition=Q(dirty_since__isnull=False), name="link_record_to_compare"
            ),
        ]

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def pseudonym(self) -> str:
        """What lists show: never a name."""
        if self.learner_id is not None:
            return f"Learner {str(self.learner_id)[:4].upper()}"
        return f"Unknown {bytes(self.actor or b'').hex()[:4].upper()}"


class LinkCandidate(models.Model):
    """Two records that may be one person. Only a human says so."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for somebody"
        SAME = "same", "The same person"
        DIFFERENT = "different", "Different people"
        UNSURE = "unsure", "Nobody can tell"
        MOOT = "moot", "No longer a question"

    left = models.ForeignKey(LinkRecord, on_delete=models.CASCADE, related_name="+")
    right = models.ForeignKey(LinkRecord, on_delete=models.CASCADE, related_name="+")
    probability = models.FloatField()
    weight = models.FloatField()  # log2 of how much likelier one person is than two, given the evidence
    evidence = models.JSONField()  # per field {"level", "weight"}; never a value
    model_version = models.CharField(max_length=32)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    found_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.UUIDField(null=True, blank=True)
    # Made when an actor was found to be a learner: taking it away takes the decision back.
    identifier = models.ForeignKey(
        "learners.Identifier", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ("-probability", "pk")
        constraints = [
            models.UniqueConstraint(fields=("left", "right"), name="a_pair_is_asked_about_once"),
            models.CheckConstraint(condition=Q(left__lt=F("right")), name="a_pair_has_one_order"),
            models.CheckConstraint(
                condition=Q(probability__gte=0) & Q(probability__lte=1), name="a_link_probability_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(state__in=("waiting", "moot"), decided_at__isnull=True, decided_by__isnull=True)
                | Q(
                    state__in=("same", "different", "unsure"),
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                ),
                name="a_person_decides_about_a_pair",
            ),
        ]
        indexes = [
            models.Index(
                fields=("-probability", "id"), condition=Q(state="waiting"), name="link_candidate_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"pair {self.pk}"


class Merge(models.Model):
    """Two learners' records became one, by a person's word; the rows moved are its journal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kept = models.ForeignKey("learners.Learner", on_delete=models.PROTECT, related_name="merges_kept")
    duplicate = models.ForeignKey("learners.Learner", on_delete=models.PROTECT, related_name="merges")
    candidate = models.ForeignKey(
        LinkCandidate, null=True, blank=True, on_delete=models.SET_NULL, related_name="merges"
    )
    evidence = models.JSONField(default=dict)  # the pair's, as it was; {} for a merge by hand
    plan = models.JSONField(default=dict)  # learners.merging.merge.Plan: which enrolments moved, which stayed
    by_kind = models.CharField(max_length=16)
    by_uuid = models.UUIDField()
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("duplicate",), condition=Q(undone_at__isnull=True), name="a_record_is_merged_once"
            ),
            models.CheckConstraint(condition=~Q(kept=F("duplicate")), name="a_merge_is_of_two_records"),
            models.CheckConstraint(
                condition=Q(undone_at__isnull=True, undone_by__isnull=True)
                | Q(undone_at__isnull=False, undone_by__isnull=False),
                name="a_merge_is_undone_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"merge {str(self.pk)[:8]}"


class MergeStep(models.Model):
    """Rows of one table that a merge changed in one and the same way: enough to put them back."""

    merge = models.ForeignKey(Merge, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField()
    table = models.CharField(max_length=64)
    keys = models.JSONField()  # [{column: value}], the rows' primary keys
    # Changed columns before and after. Null before: the merge added the rows. Null after: it took them away.
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        ordering = ("merge", "position")
        constraints = [
            models.UniqueConstraint(fields=("merge", "position"), name="a_merge_has_one_order_of_steps"),
            models.CheckConstraint(
                condition=Q(before__isnull=False) | Q(after__isnull=False), name="a_step_changes_something"
            ),
        ]
