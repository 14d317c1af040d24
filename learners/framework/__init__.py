"""The competency framework: job role → competency → lesson → item (docs/people.md)."""
