"""The pages of signals in the admin."""
