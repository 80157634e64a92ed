"""Image classification experiments whose conclusions hold."""

import os

# Threads of torch that have nothing to do sleep instead of spinning: one other busy process
# on a core would otherwise slow training down four times. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
