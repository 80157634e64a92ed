"""Reasons for not accepting an image: permanent, temporary, or a provider that stopped."""

from __future__ import annotations


class Rejected(Exception):
    """A permanent rejection. `kind` is the category that the summary counts."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(sanitize(detail))
        self.kind = kind


class TooLarge(Rejected):
    """The file exceeds the size limit; a run with a larger limit tries it again."""

    def __init__(self, max_bytes: int, detail: str = "") -> None:
        super().__init__("too large", detail or f"more than {max_bytes:,} bytes")
        self.max_bytes = max_bytes


class Postponed(Exception):
    """A temporary failure: the next run tries again. `retry`: this run may try again, too."""

    def __init__(self, kind: str, detail: str, retry: bool = False) -> None:
        super().__init__(sanitize(detail))
        self.kind = kind
        self.retry = retry


class ProviderStopped(Exception):
    """A provider stops this run; the message ends with the remedy."""


def sanitize(text: str, max_length: int = 200) -> str:
    """Untrusted text, shortened and without control characters that a terminal would interpret."""
    plain = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    if len(plain) <= max_length:
        return plain
    return plain[: max_length - 1] + "\N{HORIZONTAL ELLIPSIS}"
