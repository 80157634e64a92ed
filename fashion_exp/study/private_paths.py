"""Removes the folders of this machine from the files of a run that leave it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import read_json
from fashion_exp.configuration.schema import PATH_OPTIONS
from fashion_exp.errors import redact_credentials
from fashion_exp.evaluation.run_dir import RunDir

_URI = re.compile(r"\b(sqlite|file):/{2,4}(?:[^/\s'\"]+/)+")
_END = "\0"
"""Marks the end of a path that was shortened: what follows is a part of it."""
_FOLDERS = re.compile(
    r"(?<![\w./~:\\\0-])/(?:[^/\s'\"`:,;=()\[\]{}<>|]+/)*(?=[^/\s'\"`:,;=()\[\]{}<>|])"
)
"""The folders of an absolute path, which is no later part of a path or an address."""


class PathShortener:
    """Replaces absolute paths by their last part: /home/ann/photos by photos."""

    def __init__(self, run: RunDir) -> None:
        known = sorted(_known_paths(run), key=len, reverse=True)
        self._known = {path: Path(path).name for path in known if len(Path(path).parts) > 1}

    def text(self, text: str) -> str:
        for path, name in self._known.items():
            text = text.replace(path, f"{name}{_END}")
        text = _URI.sub(lambda match: f"{match[1]}:///", redact_credentials(text))
        return _FOLDERS.sub("", text).replace(_END, "")

    def value(self, value: Any) -> Any:
        """The same for all texts in lists and mappings."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.value(item) for item in value]
        return value

    def file(self, file: Path) -> bytes:
        """The content of a JSON, YAML, CSV or log file. PyYAML would misread numbers like 1e-4."""
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".json":
            return json.dumps(self.value(json.loads(text)), indent=1).encode()
        return self.text(text).encode()


def _known_paths(run: RunDir) -> set[str]:
    """Paths that may have blanks and signs in them, which a pattern does not find."""
    paths: set[str] = set()
    if run.paths_file.is_file():
        paths |= {str(saved["absolute"]) for saved in read_json(run.paths_file).values()}
    options = run.options() if run.options_file.is_file() else {}
    values = [options.get(name) for name in (*PATH_OPTIONS, "outputs")]
    values += (options.get("model.backbone_weights") or {}).values()
    values += [str(run.path), str(Path.home())]
    return paths | {text for value in values if (text := str(value)).startswith("/")}
