"""Which photos to label: strategies, their simulation, and learning curves."""
