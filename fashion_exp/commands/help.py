"""What `--help` prints. Hydra's own would compose every group first, for a second or two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

HEAD = """\
fashion_exp: image classification experiments whose conclusions hold

fashion_exp [GROUP=CHOICE …] [KNOB=VALUE …]              one experiment
fashion_exp --multirun [KNOB=VALUE,VALUE …]              one experiment for each combination
"""
KNOBS = """\
Knobs that people meet most:

  optim.lr=2e-4  model.dropout=0.5  split.train_ratio=0.5  training.epochs=20
  training.batch_size=32  repeats=5  seed=1  dataset.root=PHOTOS
  dataset.classes='[dress,shirt]'  dataset.rename='{longsleeve: Pullover}'
  tracking.uri=http://SERVER:5000  resume=outputs/runs/…

Every knob with its type, unit and range: fashion_exp/config.py. `--cfg job` prints the composed
config, `--config-dir=FOLDER` adds choices of your own, FOLDER/optim/mine.yaml as optim=mine;
`--hydra-help` lists Hydra's own switches.
"""


def help_text(conf: Path, verbs: Mapping[str, str]) -> str:
    """The ways to call the program, with the groups and choices that `conf` has."""
    ways = [f"fashion_exp {verb} …".ljust(57) + does for verb, does in verbs.items()]
    groups = [
        f"  {folder.name}: {', '.join(sorted(file.stem for file in folder.glob('*.yaml')))}"
        for folder in sorted(conf.iterdir())
        if folder.is_dir() and folder.name != "hydra"
    ]
    listed = "\n".join(groups)
    return HEAD + "\n".join(ways) + f"\n\nGroups and their choices:\n\n{listed}\n\n{KNOBS}"
