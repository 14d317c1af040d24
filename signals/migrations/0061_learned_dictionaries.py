"""Compression dictionaries learned from this installation's own statements, which no statement can be read without."""

import consent.crypto
from django.db import migrations, models


STAYS = """
CREATE FUNCTION signals_dictionary_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.number <> OLD.number THEN
        RAISE EXCEPTION 'A dictionary stays: the statements compressed with it could no longer be read.'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dictionary_stays BEFORE UPDATE OR DELETE ON signals_dictionary
    FOR EACH ROW EXECUTE FUNCTION signals_dictionary_stays();
"""
GOES = "DROP TRIGGER dictionary_stays ON signals_dictionary; DROP FUNCTION signals_dictionary_stays()"


class Migration(migrations.Migration):
    dependencies = [
        ("signals", "0060_narrower_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Dictionary",
            fields=[
                ("number", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("content", consent.crypto.EncryptedTextField(blank=True)),
                ("in_use", models.BooleanField()),
                ("statements", models.BigIntegerField()),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "dictionaries",
                "ordering": ("number",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 16), ("number__lte", 255)),
                        name="a_dictionary_number_is_one_byte",
                    )
                ],
            },
        ),
        migrations.RunSQL(STAYS, GOES),
    ]
