"""Coaches: who may take somebody on, and how the admin keeps what is known of them."""

from learners.coaches.reaching import dated, more_coaches, reach

__all__ = ["dated", "more_coaches", "reach"]
