"""From the report to what is read: verdict, tables, figures, files."""
