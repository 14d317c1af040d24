"""The five steps on which competencies are asked for and held."""

from django.db import models

LOWEST_LEVEL, HIGHEST_LEVEL = 1, 5


class Level(models.IntegerChoices):
    """How able somebody is, or must be. The same five steps for roles, baselines and goals."""

    AWARE = 1, "1: knows what it is"
    GUIDED = 2, "2: can do it with help"
    ABLE = 3, "3: can do it alone"
    SKILLED = 4, "4: can do it when it is hard"
    TEACHES = 5, "5: can teach it"
