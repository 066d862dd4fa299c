"""The experiments of the handout: their plans as data, their published curves, and how curves are drawn."""
