"""The way up from learners to their unit and those above it, as the beginning of a query."""

# Step 0 is the learner's unit. The steps are bounded so that a circle of units, which only a direct write to the
# database can make, ends. Takes ``learners``.
CLIMB = """
    WITH RECURSIVE climb (learner_id, unit_id, step) AS (
        SELECT learner.id, learner.unit_id, 0 FROM learners_learner learner
        WHERE learner.id = ANY (%(learners)s) AND learner.unit_id IS NOT NULL
        UNION ALL
        SELECT climb.learner_id, unit.parent_id, climb.step + 1
        FROM climb JOIN learners_orgunit unit ON unit.id = climb.unit_id
        WHERE unit.parent_id IS NOT NULL AND climb.step < 64
    )"""
