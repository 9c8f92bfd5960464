"""What people look at: figures, the table of results, and the page that the report stage writes."""
