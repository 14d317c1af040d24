"""The resources of the record store."""
