"""The fixture of the inspected photos."""

from tests.inspection.conftest import save

__all__ = ["save"]
