"""Who stays: from evidence, priorities and decisions by hand to rows that are marked."""
