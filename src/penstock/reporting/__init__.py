"""Report results as figures, as a table, and as the page of the report stage."""
