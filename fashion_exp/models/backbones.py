"""The files of frozen backbones, which checkpoints refer to by hash and do not contain.

`outputs/weights` has each of them once, so that `outputs` can be moved or copied to another
machine. It is no part of the cache: clearing the cache must not make a checkpoint useless.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from fashion_exp.atomic_io import atomic_write
from fashion_exp.errors import InputError
from fashion_exp.models.metadata import file_sha256, network_metadata, read_metadata

FOLDER = "weights"
_RUNS = ("runs/*", "sweeps/*/*", "refits/*", "damaged/*")
_MIN_AGE = 600.0
"""Seconds."""


def find_backbone(checkpoint: Path) -> Path | None:
    """The file with the frozen part of a checkpoint; None if the checkpoint has all parts.

    Raises `InputError` if the file is missing or has changed, and for a head on several networks.
    """
    files = find_backbones(checkpoint)
    if len(files) > 1:
        raise InputError(
            f"model.weights={checkpoint}: the head of {len(files)} networks side by side, not a "
            "network to start from; give the weights of one network"
        )
    return files[0]


def find_backbones(checkpoint: Path) -> list[Path | None]:
    """As `find_backbone`, for each of the networks side by side."""
    return [_find_file(checkpoint, metadata) for metadata in network_metadata(checkpoint)]


def _find_file(checkpoint: Path, metadata: dict[str, str]) -> Path | None:
    base, sha256 = metadata.get("base", ""), metadata.get("base_sha256", "")
    if not base:
        return None
    copies = list(_kept_files(checkpoint, sha256))
    for file in (*copies, Path(base)):
        if file.is_file() and file_sha256(file) == sha256:
            return file
    raise InputError(
        f"model.weights={checkpoint}: its frozen backbone is missing: neither {base} nor a file in "
        f"{FOLDER}/ of its outputs folder has the SHA-256 {sha256}; copy it there as "
        f"{FOLDER}/{sha256}{Path(base).suffix}, or give the weights of another run"
    )


def keep_backbone(file: Path, sha256: str, outputs: Path) -> None:
    """Keeps a file of weights in an outputs folder, and what it refers to itself.

    A hard link takes no space; where there are none the file is copied.
    """
    target = outputs / FOLDER / f"{sha256}{file.suffix}"
    if not target.exists():
        source = file.resolve()
        with atomic_write(target) as draft:
            try:
                os.link(source, draft)
            except OSError:
                shutil.copyfile(source, draft)
    if (base := find_backbone(file)) is not None:
        keep_backbone(base, read_metadata(file)["base_sha256"], outputs)


def backbone_files(checkpoints: Iterable[Path]) -> dict[str, Path]:
    """The files that checkpoints refer to, and those that these refer to, by SHA-256.

    Raises `InputError` if one is missing.
    """
    files: dict[str, Path] = {}
    pending = [*checkpoints]
    while pending:
        checkpoint = pending.pop()
        for metadata in network_metadata(checkpoint):
            file = _find_file(checkpoint, metadata)
            if file is not None and metadata["base_sha256"] not in files:
                files[metadata["base_sha256"]] = file
                pending.append(file)
    return files


def unused_backbones(outputs: Path) -> list[Path]:
    """The files that no checkpoint in an outputs folder, nor a used one of these files, refers to.

    A file of the last minutes may be of a run whose checkpoint is not written yet, and counts as
    used. So does every file while a checkpoint cannot be read.
    """
    stored = {file.stem: file for file in (outputs / FOLDER).glob("[!.]*")}
    pending = [path for runs in _RUNS for path in outputs.glob(f"{runs}/checkpoints/*.safetensors")]
    now = time.time()
    pending += [file for file in stored.values() if now - file.stat().st_ctime < _MIN_AGE]
    unused = {file for file in stored.values() if file not in pending}
    try:
        while pending and unused:
            for metadata in network_metadata(pending.pop()):
                base = stored.get(metadata.get("base_sha256", ""))
                if base in unused:
                    unused.remove(base)
                    pending.append(base)
    except InputError:
        return []
    return sorted(unused)


def _kept_files(checkpoint: Path, sha256: str) -> Iterator[Path]:
    """Files of this hash in the outputs folder that the checkpoint is in."""
    if len(sha256) == 64 and sha256.isalnum():
        for parent in list(checkpoint.absolute().parents)[:5]:
            yield from (parent / FOLDER).glob(f"{sha256}.*")
