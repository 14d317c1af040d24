"""Is the data fit to model with? Questions that are answered by measuring, never by saying so."""
