"""A frame summed up: counts that add, lengths in bins, words, and the page that tells them."""
