"""What is taken of a frame: a sum over its partitions, rows drawn by their ids, what they say."""
