"""What widgets are made of: their scripts, questions of a page and answers, rows selected."""
