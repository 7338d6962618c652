"""One row a bar: a session becomes the table that models see."""
