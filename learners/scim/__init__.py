"""SCIM 2.0 (RFC 7643, RFC 7644): an identity provider tells us who works here (docs/people.md)."""
