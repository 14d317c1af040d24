"""An identity provider to test with: it speaks SCIM as JSON and shows its token."""

import json
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from learners.scim import clients
from tests.support.learners import NOW

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Answered:
    """What came back."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self.body: dict[str, Any] = json.loads(response.content) if response.content else {}

    @property
    def etag(self) -> str:
        return str(self.headers["ETag"])


class Provider:
    """A client with a token of its own."""

    def __init__(self, name: str = "Okta", **settings: Any) -> None:
        made = clients.create(name=name, now=NOW, **settings)
        self.client, self.token, self._http = made.client, made.token, Client()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        data = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        return Answered(
            self._http.generic(
                method,
                f"/scim/v2/{path}",
                data,
                content_type="application/scim+json",
                headers={"Authorization": f"Bearer {self.token}", **headers},
            )
        )

    def get(self, path: str, **headers: str) -> Answered:
        return self.ask("GET", path, **headers)

    def find(self, kind: str, filter: str, **more: Any) -> Answered:
        return self.get(f"{kind}?{urlencode({'filter': filter, **more})}")

    def post(self, path: str, body: Any) -> Answered:
        return self.ask("POST", path, body)

    def put(self, path: str, body: Any, **headers: str) -> Answered:
        return self.ask("PUT", path, body, **headers)

    def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> Answered:
        return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)

    def delete(self, path: str, **headers: str) -> Answered:
        return self.ask("DELETE", path, **headers)


def user(name: str = "ann", **more: Any) -> dict[str, Any]:
    """A user as a POST sends them."""
    return {
        "schemas": [USER],
        "userName": f"{name}@example.test",
        "externalId": f"ext-{name}",
        "displayName": name.capitalize(),
        "emails": [{"primary": True, "type": "work", "value": f"{name}@example.test"}],
        "active": True,
        **more,
    }


def enterprise(**values: Any) -> dict[str, Any]:
    return {ENTERPRISE: values}
