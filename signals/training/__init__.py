"""Stage 10: a risk model learned from labels and features as they were known at their date."""
