"""All pairs of shingle sets that are alike enough, by an exact join or by MinHash."""
