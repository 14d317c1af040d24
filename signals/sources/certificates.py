"""Certificates and licences that others issued: one row each."""

from typing import Any

from signals.sources import wording
from signals.sources.base import Delivered, Fact, Unusable
from signals.sources.tables import Row, TableSource

TYPE = "https://w3id.org/xapi/tla/activity-types/credential"
EXPIRES = wording.OWN + "expires"  # a date; nothing is said of credentials that do not expire
ISSUER = wording.OWN + "issuer"


class Certificates(TableSource):
    name = "certificates"
    label = "Certificates (CSV)"
    required = ("person", "credential", "issued")
    optional = ("expires", "certificate_id", "issuer", "course")

    def fact(self, row: Row, line: int, delivered: Delivered) -> Fact:
        actor = wording.person(row["person"])
        credential = wording.thing("credential", row["credential"], TYPE)
        issued = wording.day(row["issued"], "issued")
        extensions: dict[str, Any] = {}
        if row["expires"]:
            expires = wording.day(row["expires"], "expires")
            if expires < issued:
                raise Unusable("expires is before issued", "Correct one of the two dates.")
            extensions[EXPIRES] = expires.isoformat()
        if row["issuer"]:
            extensions[ISSUER] = row["issuer"][: wording.LONGEST_NAME]
        context = wording.within(row["course"])
        if extensions:
            context["extensions"] = extensions
        statement = {
            "actor": actor,
            "verb": {"id": "http://id.tincanapi.com/verb/earned"},
            "object": credential,
            "timestamp": wording.stamp(wording.noon(issued)),
            **({"context": context} if context else {}),
        }
        # A renewal is another certificate; with its number even a corrected date is known again.
        which = row["certificate_id"] or issued.isoformat()
        return Fact(line, (wording.name_of(actor), credential["id"], which), statement)
