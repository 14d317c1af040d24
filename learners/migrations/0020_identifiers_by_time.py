"""Employee numbers and sign-on subjects become identifiers; the second spelling of addresses; no two spans overlap."""

import learners.models.people
from django.db import migrations, models
from django.db.models import Q

# Until now only "one learner now" was promised; should a closed span reach into a later one, the later one was right.
NO_OVERLAP = """
UPDATE learners_identifier later SET valid_from = earlier.until
FROM (SELECT l.id, max(e.valid_to) AS until
      FROM learners_identifier l
      JOIN learners_identifier e ON e.hash = l.hash AND e.id < l.id AND e.valid_to IS NOT NULL
      WHERE l.valid_from IS NULL AND (l.valid_to IS NULL OR l.valid_to >= e.valid_to)
      GROUP BY l.id) earlier
WHERE later.id = earlier.id;

UPDATE learners_identifier earlier
SET valid_to = greatest(later.since, coalesce(earlier.valid_from, later.since))
FROM (SELECT e.id, min(l.valid_from) AS since
      FROM learners_identifier e
      JOIN learners_identifier l ON l.hash = e.hash AND l.id > e.id AND l.valid_from IS NOT NULL
      WHERE e.valid_to IS NOT NULL AND l.valid_from < e.valid_to AND (l.valid_to IS NULL OR l.valid_to > l.valid_from)
        AND (e.valid_from IS NULL OR l.valid_from >= e.valid_from)
      GROUP BY e.id) later
WHERE earlier.id = later.id;

-- An open span that later closed ones reach into: it holds again since the last of them ended.
UPDATE learners_identifier held SET valid_from = later.until
FROM (SELECT o.id, max(l.valid_to) AS until
      FROM learners_identifier o
      JOIN learners_identifier l ON l.hash = o.hash AND l.id > o.id AND l.valid_to IS NOT NULL
      WHERE o.valid_to IS NULL AND daterange(l.valid_from, l.valid_to) && daterange(o.valid_from, NULL)
      GROUP BY o.id) later
WHERE held.id = later.id;

-- What still overlaps never counted beside what came later or holds now, so now it says so.
UPDATE learners_identifier earlier
SET valid_from = coalesce(earlier.valid_from, earlier.valid_to), valid_to = coalesce(earlier.valid_from, earlier.valid_to)
WHERE earlier.valid_to IS NOT NULL AND EXISTS (
    SELECT FROM learners_identifier l
    WHERE l.hash = earlier.hash AND l.id <> earlier.id AND (l.valid_to IS NULL OR l.id > earlier.id)
      AND daterange(l.valid_from, l.valid_to) && daterange(earlier.valid_from, earlier.valid_to));
"""


def fill(apps, schema_editor):
    from learners.identity.canonical import given_hash

    model = apps.get_model("learners", "Identifier")
    changed = []
    for row in model.objects.filter(kind="mbox").order_by("pk").iterator(chunk_size=1000):
        row.given_hash = given_hash(row.kind, row.value)
        if row.given_hash is not None:
            changed.append(row)
    model.objects.bulk_update(changed, ["given_hash"], batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("learners", "0020_data_steward")]

    operations = [
        migrations.AddField(
            model_name="identifier",
            name="given_hash",
            field=learners.models.people.GivenHashField(max_length=16, null=True),
        ),
        migrations.AlterField(
            model_name="identifier",
            name="kind",
            field=models.CharField(
                choices=[
                    ("mbox", "E-mail address"),
                    ("mbox_sha1sum", "Hashed e-mail address"),
                    ("account", "Account"),
                    ("openid", "OpenID"),
                    ("employee", "Employee number"),
                    ("sso", "Single sign-on subject"),
                ],
                max_length=16,
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunSQL(NO_OVERLAP, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="identifier",
            index=models.Index(
                condition=Q(("given_hash__isnull", False)),
                fields=["given_hash"],
                name="identifier_by_given_hash",
            ),
        ),
    ]
