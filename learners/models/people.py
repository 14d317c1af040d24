"""People: those who sign in, those who learn, how systems name them, and who looks after whom."""

import uuid
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q

from consent.crypto import EncryptedTextField, keyed_hash
from learners.querysets import LearnerQuerySet, UserQuerySet

if TYPE_CHECKING:
    from learners.models.organisation import JobRole


class Role(models.TextChoices):
    LEARNER = "learner", "Learner"
    MANAGER = "manager", "Manager"
    COACH = "coach", "Coach"
    ADMIN = "admin", "Administrator"
    REVIEWER = "reviewer", "Reviewer"
    STEWARD = "steward", "Data steward"  # an administrator who may also read what systems sent, word for word


def login_hash(login: str) -> bytes:
    """The look-up key of a sign-in name: the name itself is stored encrypted only."""
    return keyed_hash("login", login.strip().casefold())


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def with_role(self, role: str) -> UserQuerySet:
        """Those who can sign in and have the role."""
        return self.get_queryset().with_role(role)

    def create_user(self, login: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(login=login.strip(), login_hash=login_hash(login), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, login: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(login, password, **{"roles": [Role.ADMIN, Role.STEWARD], **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user who signs in by this name."""
        return self.get(login_hash=login_hash(username or ""))


class User(AbstractBaseUser):
    """Somebody who can sign in. What they may do is a set of roles."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    login_hash = models.BinaryField(max_length=16, unique=True, editable=False)
    login = EncryptedTextField()
    name = EncryptedTextField(blank=True, default="")
    roles = ArrayField(models.CharField(max_length=16, choices=Role), default=list, blank=True)
    learner = models.OneToOneField(
        "learners.Learner", null=True, blank=True, on_delete=models.SET_NULL, related_name="user"
    )
    time_zone = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=8, default="en")
    is_active = models.BooleanField(default=True)

    objects = UserManager()

    USERNAME_FIELD = "login_hash"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(
                condition=Q(roles__contained_by=[role.value for role in Role]), name="user_roles_are_known"
            ),
        ]

    def __str__(self) -> str:
        # Django's admin log keeps this text for ever, so it must not be a name.
        return f"user {str(self.pk)[:8]}"

    def get_short_name(self) -> str:
        """What a greeting may say to the person themself: their name, or a pseudonym where none is known."""
        return self.name or str(self)

    get_full_name = get_short_name

    def has_role(self, role: Role) -> bool:
        return role in self.roles

    @property
    def is_staff(self) -> bool:
        return self.is_active and Role.ADMIN in self.roles

    @property
    def is_superuser(self) -> bool:
        return self.is_staff

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_staff

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff


class Learner(models.Model):
    """A person who learns. Exists because the roster or an importer says so."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    employee_hash = models.BinaryField(max_length=16, unique=True, null=True, blank=True, editable=False)
    employee_number = EncryptedTextField(blank=True, default="")
    name = EncryptedTextField(blank=True, default="")
    email = EncryptedTextField(blank=True, default="")
    unit = models.ForeignKey(
        "learners.OrgUnit", null=True, blank=True, on_delete=models.PROTECT, related_name="learners"
    )
    job_role = models.ForeignKey(
        "learners.JobRole", null=True, blank=True, on_delete=models.PROTECT, related_name="learners"
    )
    role_since = models.DateField(
        "in this role since",
        null=True,
        blank=True,
        help_text="The day on which this person changed into the role from another one.",
    )
    time_zone = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=8, default="en")
    started_on = models.DateField(null=True, blank=True)
    left_on = models.DateField(null=True, blank=True)
    # The leave somebody is on, or the next one HR knows of; why is nobody's business here.
    leave_from = models.DateField("first day of leave", null=True, blank=True)
    leave_until = models.DateField("last day of leave", null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    # This record was found to be of the same person as that one; learners.merging moved what it could.
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="merged"
    )

    objects = LearnerQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(
                condition=Q(left_on__isnull=True)
                | Q(started_on__isnull=True)
                | Q(left_on__gte=F("started_on")),
                name="learner_leaves_after_starting",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")),
                name="learner_is_not_merged_into_itself",
            ),
            models.CheckConstraint(
                condition=Q(leave_from__isnull=True, leave_until__isnull=True)
                | Q(leave_from__isnull=False, leave_until__gte=F("leave_from")),
                name="leave_has_a_first_and_a_last_day",
            ),
            models.CheckConstraint(
                condition=Q(role_since__isnull=True) | Q(job_role__isnull=False),
                name="the_day_of_a_role_has_its_role",
            ),
        ]

    def __str__(self) -> str:
        return self.pseudonym

    def change_role(self, role: "JobRole | None", *, on: date) -> None:
        """Gives them this job role. Only a change from one role to another has a day: a first one may be old news."""
        changed = role is not None and self.job_role is not None and role != self.job_role
        self.role_since = on if changed else (self.role_since if role == self.job_role else None)
        self.job_role = role

    @property
    def pseudonym(self) -> str:
        """What a coach sees before accepting a case, and what logs may hold."""
        return f"Learner {str(self.pk)[:4].upper()}"


class GivenHashField(models.BinaryField):
    """The look-up key of an address in the capitals it was given in. Follows kind and value whenever a row is saved."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        from learners.identity.canonical import given_hash  # the package imports this module

        row: Any = model_instance
        value = given_hash(row.kind, row.value)
        setattr(model_instance, self.attname, value)
        return value


class HashPoint(models.Func):
    """The first 62 bits of a keyed hash as a range of one number, so that plain GiST compares it: no extension."""

    template = (
        "int8range(('x' || encode(%(expressions)s, 'hex'))::bit(62)::bigint,"
        " ('x' || encode(%(expressions)s, 'hex'))::bit(62)::bigint, '[]')"
    )


class Identifier(models.Model):
    """One way a system names a learner, from its first day until the day on which it no longer does."""

    class Kind(models.TextChoices):
        MBOX = "mbox", "E-mail address"
        MBOX_SHA1SUM = "mbox_sha1sum", "Hashed e-mail address"
        ACCOUNT = "account", "Account"
        OPENID = "openid", "OpenID"
        EMPLOYEE = "employee", "Employee number"
        SSO = "sso", "Single sign-on subject"

    learner = models.ForeignKey(Learner, on_delete=models.CASCADE, related_name="identifiers")
    kind = models.CharField(max_length=16, choices=Kind)
    # learners.identity.identifier_hash of the canonical form; an address and its SHA-1 share one hash.
    hash = models.BinaryField(max_length=16)
    # The same of the address as given; null unless it has capitals (learners.identity.canonical.as_given).
    given_hash = GivenHashField(max_length=16, null=True, editable=False)
    value = EncryptedTextField()
    valid_from = models.DateField(null=True, blank=True)
    valid_to = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ("learner", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("hash",),
                condition=Q(valid_to__isnull=True),
                name="an_identifier_names_one_learner_now",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_to__gte=F("valid_from")),
                name="identifier_ends_after_it_begins",
            ),
            ExclusionConstraint(
                name="an_identifier_names_one_learner_at_a_time",
                expressions=[
                    (HashPoint("hash"), RangeOperators.OVERLAPS),
                    (
                        models.Func(
                            "valid_from", "valid_to", function="daterange", output_field=DateRangeField()
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]
        indexes = [
            models.Index(fields=("hash",), name="identifier_by_hash"),  # resolving by a statement's time
            models.Index(
                fields=("given_hash",), condition=Q(given_hash__isnull=False), name="identifier_by_given_hash"
            ),
        ]

    def __str__(self) -> str:
        return f"identifier {self.pk}"


class Oversight(models.Model):
    """For these dates, this user manages or coaches this learner."""

    class Kind(models.TextChoices):
        MANAGER = "manager", "Manager"
        COACH = "coach", "Coach"

    learner = models.ForeignKey(Learner, on_delete=models.CASCADE, related_name="oversight")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="oversees")
    kind = models.CharField(max_length=8, choices=Kind)
    from_date = models.DateField()
    to_date = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ("learner", "kind", "-from_date", "pk")
        verbose_name_plural = "oversight"
        constraints = [
            models.UniqueConstraint(
                fields=("learner", "kind"),
                condition=Q(to_date__isnull=True),
                name="one_open_oversight_of_a_kind",
            ),
            models.CheckConstraint(
                condition=Q(to_date__isnull=True) | Q(to_date__gte=F("from_date")),
                name="oversight_ends_after_it_begins",
            ),
        ]
        indexes = [models.Index(fields=("user", "kind"), name="oversight_by_user")]  # "my people"

    def __str__(self) -> str:
        return f"{self.kind} of {self.learner_id}"
