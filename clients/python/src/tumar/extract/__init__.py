"""Extractors: from a photo to an embedding (`tumar.extract.face`), from a print to a minutiae record (`tumar.extract.finger`).

They need more packages than the client: `pip install 'tumar[face]'` and `pip install 'tumar[finger]'`. docs/photos-and-prints.md has
the bounds of the quality gate, and docs/models.md what is known of each model.
"""

from .faults import CaptureError, Fault, WeightsError

__all__ = ["CaptureError", "Fault", "WeightsError"]
