"""The two data sets of the handout, read from their original formats on disk (Part 1)."""
