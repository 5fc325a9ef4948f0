"""The explorer of duplicates: what goes at a threshold, clusters and pairs, decisions by hand."""
