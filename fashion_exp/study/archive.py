"""The zip file of a study: a manifest with the hash of every file, and checks before unpacking.

An archive is untrusted. Its names, kinds, sizes and hashes are checked against the
manifest, and nothing is unpacked that the manifest does not have.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import shutil
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any

from fashion_exp.atomic_io import atomic_write, is_disk_full, timestamp
from fashion_exp.errors import InputError, os_error_reason
from fashion_exp.evaluation.run_dir import PART_FILES, REFIT_FILE
from fashion_exp.paths import package_version
from fashion_exp.reporting.formats import data_size
from fashion_exp.sweeps.state import LEADERBOARD_FILE, STATE_FILE

MANIFEST = "study.json"
SCHEMA = 2
"""Of a study with code; one without has 1, which earlier versions read too."""
FOLDERS = ("runs", "sweeps", "refits", "weights", "thumbnails")
"""The top folders of an archive, which are those of an outputs folder."""
RUN_FILES = (
    "config/config.yaml", "config/overrides.yaml", "options.json", "knobs.json", "result.json",
    "split.csv", "left_out.csv", "history.csv", "trainings.csv", "environment.json",
    *PART_FILES.values(), "test_evaluated.json", "test_opened.json", "annotations.json",
    "imported.json", REFIT_FILE, "failure.json", "pruned.json", "run.log", "console.log",
)  # fmt: skip
"""Files of a run that a study has. Others can be made again, or are of this machine: figures,
reports, the id in the tracking store, absolute paths. A longer list needs a new schema."""
CODE_FILES = ("config/extensions.json", "extensions/*.py")
"""Of runs with `extensions`: the Python files of the person who trained them, and their list."""
WEIGHT_FILES = ("checkpoints/*.safetensors", "calibration.json", "calibration.npz")
_EVALUATION = re.compile(r"evaluations/[^/]+\.(parquet|json)")

MAX_FILES = 1_000_000
MAX_MANIFEST_BYTES = 256 * 2**20
MAX_RATIO = 200
"""Bytes per compressed byte. Files above `RATIO_FROM` bytes with more are refused as zip bombs."""
RATIO_FROM = 2**20
_CHUNK = 2**20
_STORED_SUFFIXES = (".parquet", ".safetensors", ".jpg", ".npz")
"""These cannot be compressed."""
_NAME = re.compile(r"[^\\/:\x00-\x1f\x7f]{1,255}")
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class ArchivedFile:
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ArchivedRun:
    folder: str
    """In the archive, and in an outputs folder: runs/NAME, sweeps/NAME/JOB, refits/NAME."""
    name: str
    state: str


@dataclass(frozen=True)
class Manifest:
    created: str
    version: str
    """Of the package that wrote it."""
    runs: Sequence[ArchivedRun]
    files: Mapping[str, ArchivedFile]
    """By the name in the archive."""

    @property
    def code(self) -> list[str]:
        """The Python files."""
        return sorted(name for name in self.files if is_code(name) and name.endswith(".py"))

    @property
    def bytes(self) -> int:
        """Unpacked."""
        return sum(file.bytes for file in self.files.values())


@dataclass(frozen=True)
class Entry:
    """A file to be archived. `content` reads its bytes; None: as `source` is on the disk."""

    name: str
    source: Path
    content: Callable[[], bytes] | None = None


def write_archive(file: Path, entries: Sequence[Entry], runs: Sequence[ArchivedRun]) -> Manifest:
    """Writes the archive whole or not at all."""
    files: dict[str, ArchivedFile] = {}
    with atomic_write(file) as draft, zipfile.ZipFile(draft, "w") as archive:
        for entry in entries:
            files[entry.name] = _write_entry(archive, entry)
        created = timestamp()
        manifest = Manifest(created, package_version(), runs, files)
        schema = SCHEMA if manifest.code else 1
        content = {"study": "fashion_exp", "schema": schema} | asdict(manifest)
        archive.writestr(_info(MANIFEST, compress=True), json.dumps(content))
    return manifest


def _write_entry(archive: zipfile.ZipFile, entry: Entry) -> ArchivedFile:
    if entry.content is not None:
        data = entry.content()
        archive.writestr(_info(entry.name, _is_compressible(entry.name, data)), data)
        return ArchivedFile(len(data), hashlib.sha256(data).hexdigest())
    digest, size = hashlib.sha256(), 0
    info = _info(entry.name, compress=not entry.name.endswith(_STORED_SUFFIXES))
    with open(entry.source, "rb") as source, archive.open(info, "w", force_zip64=True) as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return ArchivedFile(size, digest.hexdigest())


def _info(name: str, compress: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _is_compressible(name: str, data: bytes) -> bool:
    """Whether compression helps, and the result would not be refused as a zip bomb."""
    if name.endswith(_STORED_SUFFIXES):
        return False
    return len(data) <= RATIO_FROM or len(data) < MAX_RATIO / 2 * len(zlib.compress(data, 6))


@contextmanager
def open_archive(file: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """The archive and its manifest, after all checks that need no unpacking.

    Raises `InputError` for a file that is no archive of a study, is damaged, or is not safe to
    unpack; also in the block, for damage that reading finds.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive, _checked_manifest(file, archive)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{file}: is a folder; name the file that study export wrote") from None
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
        NotImplementedError, UnicodeDecodeError, ValueError,
    ) as error:  # fmt: skip
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{file}: damaged, or no zip file ({reason}); copy it again from where it was written"
        ) from None
    except OSError as error:  # the file's, or of a place that it is unpacked to
        if is_disk_full(error):
            raise
        raise InputError(f"{error.filename or file}: {os_error_reason(error)}") from None


def _checked_manifest(file: Path, archive: zipfile.ZipFile) -> Manifest:
    infos = archive.infolist()
    if len(infos) > MAX_FILES:
        raise InputError(f"{file}: {len(infos):,} files; at most {MAX_FILES:,} are unpacked")
    by_name = {info.filename: info for info in infos}
    if MANIFEST not in by_name:
        raise InputError(
            f"{file}: no {MANIFEST} in it, so it is no study; one is written by `study export`. "
            "Unpack an archive that `runs bundle` of an earlier version wrote"
        )
    if len(by_name) < len(infos):
        raise InputError(f"{file}: a name is in it twice; it was altered")
    for info in infos:
        _check_entry(file, info)
        if parents := by_name.keys() & {str(path) for path in PurePosixPath(info.filename).parents}:
            raise InputError(f"{file}: {min(parents)}: a file and a folder; it was altered")
    if by_name[MANIFEST].file_size > MAX_MANIFEST_BYTES:
        raise InputError(f"{file}: {MANIFEST} is too large")
    manifest = _parse(file, archive.read(MANIFEST))
    if different := set(manifest.files) ^ (set(by_name) - {MANIFEST}):
        raise InputError(f"{file}: {min(different)} is in the manifest or in the archive alone")
    for name, known in manifest.files.items():
        if by_name[name].file_size != known.bytes:
            raise InputError(f"{file}: {name} has another size than in the manifest")
    return manifest


def _check_entry(file: Path, info: zipfile.ZipInfo) -> None:
    """Raises `InputError` for a path that leaves the folder, a link, and a bomb."""
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    if name != MANIFEST and not is_safe(name):
        raise InputError(f"{file}: {name}: no path that a study has; nothing was unpacked")
    if kind not in (0, stat.S_IFREG):  # 0: not stated
        raise InputError(f"{file}: {name}: not a regular file; nothing was unpacked")
    if info.flag_bits & _ENCRYPTED:
        raise InputError(f"{file}: {name}: encrypted; a study is not")
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise InputError(f"{file}: {name}: compressed too strongly; nothing was unpacked")


def is_safe(name: str) -> bool:
    """Whether a study may have a file of this name. Unpacking such a file never marks code or a
    tracking server as trusted; code (`is_code`) is unpacked only if the importer allows it."""
    parts = name.split("/")
    if len(parts) < 2 or parts[0] not in FOLDERS or PurePosixPath(name).is_absolute():
        return False
    if any(part.startswith(".") or not _NAME.fullmatch(part) for part in parts):
        return False
    if parts[0] == "weights":
        return len(parts) == 2 and re.fullmatch(r"[0-9a-f]{64}\.\w{1,20}", parts[1]) is not None
    if parts[0] == "thumbnails":
        return len(parts) == 2 and parts[1].endswith(".jpg")
    if parts[0] == "sweeps" and len(parts) == 3:
        return parts[2] in (STATE_FILE, LEADERBOARD_FILE)
    file = _file_of_run(name)
    patterns = (*WEIGHT_FILES, *CODE_FILES)
    return (
        file in RUN_FILES
        or any(fnmatchcase(file, f) and file.count("/") == f.count("/") for f in patterns)
        or _EVALUATION.fullmatch(file) is not None
    )


def _file_of_run(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[3 if parts[0] == "sweeps" else 2 :])


def is_code(name: str) -> bool:
    """Whether a file is code that models execute, or the list of it."""
    return name.split("/")[0] not in ("weights", "thumbnails") and any(
        fnmatchcase(_file_of_run(name), pattern) for pattern in CODE_FILES
    )


def _parse(file: Path, data: bytes) -> Manifest:
    try:
        content: dict[str, Any] = json.loads(data)
        schema = content["schema"]
        if content["study"] != "fashion_exp" or not isinstance(schema, int):
            raise ValueError("not written by fashion_exp")
        if schema > SCHEMA:
            raise InputError(
                f"{file}: a study of schema {schema}, but this version reads schema {SCHEMA}; "
                "update fashion_exp"
            )
        runs = [ArchivedRun(*(str(run[n]) for n in ("folder", "name", "state")))
                for run in content["runs"]]  # fmt: skip
        files = {
            str(name): ArchivedFile(int(known["bytes"]), str(known["sha256"]))
            for name, known in content["files"].items()
        }
        manifest = Manifest(str(content["created"]), str(content["version"]), runs, files)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{file}: {MANIFEST} is damaged ({error!r})") from None
    if len({run.folder for run in runs}) < len(runs):
        raise InputError(f"{file}: a run is in {MANIFEST} twice; it was altered")
    for run in runs:
        depth = 3 if run.folder.startswith("sweeps/") else 2
        if not is_safe(f"{run.folder}/result.json") or run.folder.count("/") != depth - 1:
            raise InputError(f"{file}: {run.folder}: no folder of a run; it was altered")
    return manifest


def unpack(
    archive: zipfile.ZipFile, manifest: Manifest, folder: Path, with_code: bool = False
) -> None:
    """Unpacks all files, code only if wanted, into an empty folder, and compares sizes and hashes.

    Raises `InputError` for a file that was altered, and if the disk has no room for all.
    """
    file = archive.filename
    free = shutil.disk_usage(folder).free
    if manifest.bytes > free:
        raise InputError(
            f"{file}: needs {data_size(manifest.bytes)}, and {folder.parent} has "
            f"{data_size(free)}; free some space, or choose another --outputs"
        )
    for name, known in manifest.files.items():
        if is_code(name) and not with_code:
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as source, open(target, "xb") as unpacked:
            digest = _copy(source, unpacked, known.bytes)
        if digest != known.sha256:
            raise InputError(
                f"{file}: {name} was altered or damaged: its SHA-256 is not that of the manifest; "
                "nothing was imported"
            )
        if name.startswith("weights/") and target.stem != known.sha256:
            raise InputError(f"{file}: {name} has other content than its name says")


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> str:
    """The SHA-256; stops at more bytes than declared."""
    digest, copied = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        copied += len(chunk)
        if copied > size:
            return "longer than declared"
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()
