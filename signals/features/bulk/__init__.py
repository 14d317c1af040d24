"""Features in bulk: for any enrolments as of any moments, from events, in DuckDB."""
