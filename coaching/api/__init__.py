"""The REST interface at /api/: what an LMS's page or another system may read and say, by scoped tokens."""
