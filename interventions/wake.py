"""Says "work is left" to whoever wants to hurry; the beat finds it anyway."""

from django.dispatch import Signal

# Sent on commit with stage="name of a stage in config.stages".
work_left = Signal()
