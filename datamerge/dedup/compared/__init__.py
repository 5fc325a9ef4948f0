"""What is compared: the live rows of frames in the natural order of their ids, and digests."""
