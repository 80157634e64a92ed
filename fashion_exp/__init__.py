"""Image classification experiments with sound statistical conclusions."""

import os

# Idle OpenMP threads sleep instead of spinning: one other busy process on a core would otherwise
# slow training down four times. torch reads this when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
