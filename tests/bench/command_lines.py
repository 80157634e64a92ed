"""Random command lines, mostly wrong: how many end in a traceback or an unreadable message.

Nothing is trained: the lines are composed and validated in this process, in an empty folder.
"""

from __future__ import annotations

import contextlib
import random
import tempfile

from tests.bench.runner import Figure
from tests.configuration.command_lines import fault, random_line

SEED = 0


def measure(quick: bool) -> list[Figure]:
    count = 500 if quick else 10_000
    rng = random.Random(SEED)
    faults = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for line in (random_line(rng) for _ in range(count)):
            if message := fault(line):
                faults.append(message)
                print([word[:80] for word in line], message.splitlines()[-1][:200], flush=True)
    what = f"faults among {count:,} random command lines"
    return [Figure(what, (float(len(faults)),), "lines", at_most=0)]
