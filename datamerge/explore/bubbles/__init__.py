"""A row as one sees it: a small dict first, then bubbles with the witness beside them."""
