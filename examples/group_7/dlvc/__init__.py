"""Deep learning for visual computing: metrics, training, data sets and models of the assignment."""
