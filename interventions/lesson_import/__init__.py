"""Lessons from elsewhere: a CSV file, a Common Cartridge, a learning system. All of them become drafts, by one way."""
