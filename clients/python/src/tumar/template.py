"""From what an extractor made to small integers, packed by twos."""

import numpy as np
import numpy.typing as npt

from .errors import InputError

SEGMENT = 512
ROW = 140
LEAST_ROWS, MOST_ROWS = 4, 40
HALVINGS = 60

Integers = npt.NDArray[np.int8]
Reals = npt.NDArray[np.float64]


class Template:
    """A quantised face or finger, in the clear: to be shared and wiped.

    * `components`: int8 of shape (rows, columns), -7..7. One row of 64 to 512 (even), or 1024, 1536, 2048 components is a vector; 4 to
      40 rows of 140 are a set.
    """

    def __init__(self, components: npt.ArrayLike) -> None:
        made = np.array(components, dtype=np.int8, ndmin=2)
        if not is_shape(*made.shape):
            raise InputError(f"no template has the shape {made.shape[0]}x{made.shape[1]}")
        self.components: Integers = made

    @property
    def rows(self) -> int:
        """1 for a vector."""
        return int(self.components.shape[0])

    @property
    def columns(self) -> int:
        """Components of each row."""
        return int(self.components.shape[1])

    def pack(self) -> bytearray:
        """Two components a byte, in two's complement: component 2k in the low nibble of byte k, 2k+1 in the high one."""
        nibbles = self.components.ravel().view(np.uint8) & 15
        return bytearray((nibbles[0::2] | nibbles[1::2] << 4).tobytes())

    def wipe(self) -> None:
        """Overwrites the components. What was computed on the way to them is left to the interpreter."""
        self.components.fill(0)

    def __enter__(self) -> "Template":
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"Template({self.rows}x{self.columns})"


def is_shape(rows: int, columns: int) -> bool:
    """Whether a template may have it."""
    if rows == 1:
        short = 64 <= columns <= SEGMENT and columns % 2 == 0
        return short or columns in (2 * SEGMENT, 3 * SEGMENT, 4 * SEGMENT)
    return columns == ROW and LEAST_ROWS <= rows <= MOST_ROWS


def band(columns: int) -> tuple[int, int]:
    """The squared lengths that a quantised direction may have, lowest and highest: 6d less and more 2 %."""
    return -(-588 * columns // 100), 612 * columns // 100


def round_to_band(unit: Reals) -> Integers | None:
    """Components in -7..7 along a unit vector, whose squared length is in the band; None if no scale gives that.

    The scale is bisected from 0 to 64 sqrt d in at most 60 halvings, and ties are rounded to even: so every client makes the same.
    """
    lower, upper = band(len(unit))
    low, high = 0.0, 64.0 * float(np.sqrt(float(len(unit))))
    for _ in range(HALVINGS):
        scale = (low + high) / 2
        q = np.clip(np.rint(scale * unit), -7, 7).astype(np.int8)
        norm = int((q.astype(np.int32) ** 2).sum())
        if norm < lower:
            low = scale
        elif norm > upper:
            high = scale
        else:
            return q
    return None


def quantise(embedding: npt.ArrayLike) -> Template:
    """A face's template from its embedding: any length but zero, as many components as the model says.

    Components are read as 32-bit floats, as extractors make them. InputError for what is not finite, zero, too sparse, or of a number
    of components that no model has.
    """
    with np.errstate(over="ignore"):
        e = np.asarray(embedding, dtype=np.float32).astype(np.float64).ravel()
    if not is_shape(1, len(e)):
        raise InputError(f"no model makes embeddings of {len(e)} components")
    if not np.isfinite(e).all():
        raise InputError("a component of the embedding is not finite")
    # One by one: a sum in another order may differ in its last bit.
    length = float(np.sqrt(np.add.accumulate(e * e)[-1]))
    if length == 0:
        raise InputError("the embedding is zero")
    q = round_to_band(e / length)
    if q is None:
        raise InputError("the embedding is too sparse to be quantised")
    return Template(q)
