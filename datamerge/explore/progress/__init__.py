"""What a notebook shows of long work: the cell that runs, and the board in its output."""
