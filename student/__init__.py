"""The assignment's hand-in: two training scripts and the package dlvc."""
