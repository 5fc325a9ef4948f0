"""Compiled loops of the comparison of vectors. Imported when first needed: numba takes a while."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._dot_kernel import AT_ONCE, dot
from ._tile_kernel import COLUMNS, ROWS, tile

# Groups of rows whose bytes stay in the first cache while all columns pass by.
GROUPS = 128


@njit(cache=True, nogil=True)
def lengths(matrix, norms):
    """The length of every row, in float64."""
    start, stride, dim = matrix.ctypes.data, matrix.strides[0], matrix.shape[1]
    for i in range(len(matrix)):
        norms[i] = np.sqrt(_dot(matrix, i, matrix, i, start + i * stride, start + i * stride, dim))


@njit(cache=True, nogil=True)
def unit(matrix, norms, rows, units):
    """These rows of a matrix, of length one; rows of zeros stay so."""
    for i in range(len(rows)):
        inverse = 1 / norms[rows[i]] if norms[rows[i]] > 0 else 0.0
        for k in range(matrix.shape[1]):
            units[i, k] = matrix[rows[i], k] * inverse


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def quantise(z, scale, ends, x, y, kept, missed, sums):
    """Rows as whole numbers in the two layouts of the tile kernel; y is 128 above, unsigned.

    Up to the end of each stage: the squared lengths of the rows and of what rounding took from
    them; within each stage: the sums of the whole numbers.
    """
    q = np.empty(32, np.int32)
    for i in range(len(z)):
        group, r = i // ROWS, i % ROWS
        column, c = i // COLUMNS, i % COLUMNS
        chunk, length, error = 0, 0.0, 0.0
        for stage in range(len(ends)):
            total = 0
            while chunk * 32 < ends[stage]:
                for k in range(32):
                    value = z[i, 32 * chunk + k]
                    whole = min(max(np.rint(value * scale), np.float32(-127)), np.float32(127))
                    q[k] = np.int32(whole)
                    total += q[k]
                    length += np.float64(value) * np.float64(value)
                    off = np.float64(value) - np.float64(whole) / np.float64(scale)
                    error += off * off
                for four in range(8):
                    word = np.int32(0)
                    for lane in range(4):
                        word |= (q[4 * four + lane] & 255) << (8 * lane)
                    x[chunk, group, four, r] = word
                    y[chunk, column, four, c] = word ^ np.int32(-2139062144)  # 128 in each byte
                chunk += 1
            kept[i, stage], missed[i, stage], sums[i, stage] = length, error, total


@njit(cache=True, nogil=True)
def screen(x, y, a, b, x_group, y_group, steps, diagonal, first_new, at, left, right):
    """Candidates of two blocks, from place ``at`` on until the buffers are nearly full.

    Tiles of one group of rows and columns alone (``*_group`` >= 0 and equal) are left out, as
    are columns before ``first_new``. Returns how many there are, and where to go on, or -1.
    """
    groups = x.shape[1]
    tiles = y.shape[1]
    masks = np.empty(ROWS * COLUMNS // 16, np.uint16)
    found = 0
    blocks = (groups + GROUPS - 1) // GROUPS
    room = GROUPS * ROWS * COLUMNS
    for place in range(at, blocks * tiles):
        if found + room > len(left):
            return found, place
        block, column = place // tiles, place % tiles
        if column * COLUMNS + COLUMNS <= first_new:
            continue
        stop = min(groups, (block + 1) * GROUPS)
        if diagonal:  # a group of rows has something to the right of the diagonal
            stop = min(stop, (COLUMNS * column + COLUMNS + ROWS - 2) // ROWS)
        for group in range(block * GROUPS, stop):
            if x_group[group] >= 0 and x_group[group] == y_group[column]:
                continue
            some = tile(  # type: ignore[call-arg,var-annotated]
                x.ctypes.data + group * x.strides[1],
                y.ctypes.data + column * y.strides[1],
                x.strides[0],
                y.strides[0],
                a.ctypes.data + group * a.strides[0],
                b.ctypes.data + column * b.strides[0],
                steps.ctypes.data,
                len(steps),
                masks.ctypes.data,
            )
            if some:
                found = _gather(masks, group, column, diagonal, first_new, found, left, right)
    return found, -1


@njit(cache=True, nogil=True)
def _gather(masks, group, column, diagonal, first_new, found, left, right):
    """Append the pairs whose bits are set."""
    for place in range(len(masks)):
        bits = np.int64(masks[place])
        i = group * ROWS + place // 4
        j = column * COLUMNS + place % 4 * 16
        while bits:
            if bits & 1 and (i < j or not diagonal) and j >= first_new:
                left[found], right[found] = i, j
                found += 1
            bits >>= 1
            j += 1
    return found


@njit(cache=True, nogil=True)
def score(matrix, norms, left, right, scores):
    """The cosine of every pair of rows, in float64, at most 1; NaN where a row is zero.

    The same to the last bit on every processor.
    """
    start, stride, dim = matrix.ctypes.data, matrix.strides[0], matrix.shape[1]
    for pair in range(len(left)):
        i, j = left[pair], right[pair]
        if norms[i] == 0 or norms[j] == 0:
            scores[pair] = np.nan
            continue
        total = _dot(matrix, i, matrix, j, start + i * stride, start + j * stride, dim)
        scores[pair] = min(1.0, total / (norms[i] * norms[j]))


@njit(cache=True, nogil=True)
def _dot(a, i, b, j, a_row, b_row, dim):
    """The dot product of two rows, which are at these addresses."""
    whole = dim - dim % AT_ONCE
    total = dot(a_row, b_row, whole) if whole else 0.0  # type: ignore[call-arg]
    for k in range(whole, dim):
        total += np.float64(a[i, k]) * np.float64(b[j, k])
    return total


@njit(cache=True, nogil=True)
def at_least(tile, bound, left, right, row, column, at):
    """Places of a tile's values at or above a bound, from row ``at`` on; as ``screen``."""
    found = 0
    for i in range(at, tile.shape[0]):
        if found + tile.shape[1] > len(left):
            return found, i
        for j in range(max(0, row + i + 1 - column), tile.shape[1]):
            if tile[i, j] >= bound:
                left[found], right[found] = i, j
                found += 1
    return found, -1


@njit(cache=True, nogil=True)
def highest(values, places):
    """The places of the highest values of each row; of equal ones the first."""
    many = places.shape[1]
    held = np.empty(many, values.dtype)
    for i in range(len(values)):
        filled = 0
        for j in range(values.shape[1]):
            value = values[i, j]
            if filled == many and not value > held[many - 1]:
                continue
            at = filled if filled < many else many - 1
            filled = min(filled + 1, many)
            while at > 0 and value > held[at - 1]:
                held[at], places[i, at] = held[at - 1], places[i, at - 1]
                at -= 1
            held[at], places[i, at] = value, j
