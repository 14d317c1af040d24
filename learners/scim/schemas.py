"""What we understand of SCIM's users and groups, and what we say about ourselves (RFC 7643).

The standard's schemas with the attributes that we keep and no others: what a learning product has no use for, such as
telephone numbers, private addresses or passwords, is accepted and dropped, and /Schemas says so.
"""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URN,
    AnyExtension,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Extension,
    External,
    Filter,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

MOST_AT_ONCE = 500

# What Okta and Microsoft Entra really send departs from the letter: attributes nobody declared, values under
# "remove", and filters that describe the entry to make.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


class Name(ComplexAttribute):
    formatted: str | None = None
    """The full name."""

    family_name: str | None = None
    """The family name."""

    given_name: str | None = None
    """The given name."""


class Email(ComplexAttribute):
    # Text, where the standard's model demands an address: a filter for what is none must find nobody, not fail.
    value: str | None = None
    """The address."""

    type: str | None = Field(None, examples=["work", "home", "other"])
    """What it is for; compared in lower case."""

    primary: bool | None = None
    """Whether it is the one to use."""


class GroupMembership(ComplexAttribute):
    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The group's id."""

    display: Annotated[str | None, Mutability.read_only] = None
    """The group's name."""


class User(Resource[AnyExtension]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """How the person signs in at the identity provider."""

    name: Name | None = None
    """The parts of the person's name."""

    display_name: str | None = None
    """The full name; counts before the parts."""

    title: str | None = None
    """The job title, from which the job role is found."""

    preferred_language: str | None = None
    """The language for messages, such as en-GB."""

    locale: str | None = None
    """Used for the language where preferredLanguage is missing."""

    timezone: str | None = None
    """The time zone, such as Europe/Berlin."""

    active: bool | None = None
    """Whether the person works here."""

    emails: list[Email] | None = None
    """Addresses; the primary one, else the one of type work, else the first counts."""

    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None
    """The groups the person is in."""


class Manager(ComplexAttribute):
    # The standard requires $ref too, which neither Okta nor Entra sends.
    value: Annotated[str | None, CaseExact.true] = None
    """The manager's id; an employee number, userName or externalId is understood too."""

    display_name: Annotated[str | None, Mutability.read_only] = None
    """Never answered: it is the manager's data."""


class EnterpriseUser(Extension):
    __schema__ = URN("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")

    employee_number: Annotated[str | None, Uniqueness.server] = None
    """The number in the HR system, by which a roster knows the person too."""

    organization: str | None = None
    """The first part of the unit's path."""

    division: str | None = None
    """The next part of the unit's path."""

    department: str | None = None
    """The last part of the unit's path; it may itself be a path, as in Works/North."""

    manager: Manager | None = None
    """The person's manager."""


class GroupMember(ComplexAttribute):
    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The member's id."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """Always User: groups within groups are not kept."""

    display: str | None = None
    """Never answered."""


class Group(Resource[Any]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Required.true] = None
    """The name, from which the unit or job role is found."""

    members: list[GroupMember] | None = None
    """Who is in it."""


Person = User[EnterpriseUser]

CONFIG = ServiceProviderConfig(
    documentation_uri=None,
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MOST_AT_ONCE),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=True),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer token",
            description="The token that manage.py scim_client prints, as Authorization: Bearer …",
            spec_uri=Reference[External]("https://www.rfc-editor.org/info/rfc6750"),
            primary=True,
        )
    ],
)


@lru_cache(maxsize=1)
def provider() -> ScimProvider:
    """This service as the discovery endpoints describe it."""
    return ScimProvider(
        models=[User, EnterpriseUser, Group],
        resource_types=[ResourceType.from_resource(Person), ResourceType.from_resource(Group)],
        config=CONFIG,
        policy=POLICY,
    )
