"""SegFormer: its encoder, its decoder, and a wrapper that saves and loads segmentation networks."""
