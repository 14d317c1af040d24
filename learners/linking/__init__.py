"""Who may be one person under two records: found by probability on keyed encodings, decided by a human alone."""
