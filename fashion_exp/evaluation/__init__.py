"""From per-image predictions to accuracies with intervals; the folder that a run leaves."""
