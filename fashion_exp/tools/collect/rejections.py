"""Why a picture is not taken: for good, for now, or because its provider gives no more."""

from __future__ import annotations


class Rejected(Exception):
    """It will never be taken; `kind` is what such reasons are counted by."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(printable(detail))
        self.kind = kind


class TooLarge(Rejected):
    """Its file has more bytes than are taken: for good, unless `most` is raised."""

    def __init__(self, most: int, detail: str = "") -> None:
        super().__init__("too large", detail or f"more than {most:,} bytes")
        self.most = most


class Postponed(Exception):
    """It may be had at another time: the next run asks again. `retry`: a later try may do now."""

    def __init__(self, kind: str, detail: str, retry: bool = False) -> None:
        super().__init__(printable(detail))
        self.kind = kind
        self.retry = retry


class ProviderStopped(Exception):
    """A provider cannot be asked any further; the message ends with the remedy."""


def printable(text: str, longest: int = 200) -> str:
    """What a stranger's server has said, without what a terminal would obey."""
    plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
