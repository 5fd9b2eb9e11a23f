"""Random orders of rows; those made of blocks a part at a time, without an array."""
cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint64_t
from numpy.random cimport bitgen_t

import numpy as np

cdef enum:
    DRAWS = 256         # numbers drawn at a time


cdef inline uint64_t scramble(uint64_t* state) noexcept nogil:
    """The next number of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, figure 17)."""
    cdef uint64_t x
    state[0] += <uint64_t> 0x9E3779B97F4A7C15
    x = state[0]
    x = (x ^ (x >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t> 0x94D049BB133111EB
    return x ^ (x >> 31)


def shuffled(rng, rows):
    """``rng.permutation(rows)``, to the last bit, in half of the time.

    Fisher and Yates (Durstenfeld 1964); a number up to i is drawn by masking bits until
    one is not too large, as NumPy has always done. The stream of a RandomState is
    frozen (NEP 19), so there is nothing to follow.

    Parameters
    ----------
    rng : RandomState
    rows : int or intp array
        So many rows, or their numbers, which are not changed.

    Returns
    -------
    order : intp array
    """
    cdef bitgen_t* bits
    cdef Py_ssize_t[::1] view
    cdef Py_ssize_t[DRAWS] drawn
    cdef Py_ssize_t i, j, row, first, last
    cdef uint64_t mask = 1, draw
    order = np.arange(rows) if isinstance(rows, int) else np.array(rows)
    order = order.astype(np.intp, copy=False)
    view = order
    last = view.shape[0] - 1
    while <Py_ssize_t> mask < last:
        mask = 2 * mask + 1
    generator = rng._bit_generator
    bits = <bitgen_t*> PyCapsule_GetPointer(generator.capsule, "BitGenerator")
    with generator.lock:
        with nogil:
            while last > 0:
                # Some places with one mask: the branch on a draw that is too large, which
                # no processor can predict, becomes an addition.
                first = max(last - DRAWS, <Py_ssize_t> (mask >> 1))
                i = last
                while i > first:
                    if mask >> 32 == 0:
                        draw = bits.next_uint32(bits.state) & mask
                    else:
                        draw = bits.next_uint64(bits.state) & mask
                    drawn[i - first - 1] = <Py_ssize_t> draw
                    i -= <Py_ssize_t> draw <= i
                for i in range(last, first, -1):
                    j = drawn[i - first - 1]
                    row = view[i]
                    view[i] = view[j]
                    view[j] = row
                last = first
                if last == <Py_ssize_t> (mask >> 1):
                    mask >>= 1
    return order


@cython.final
cdef class Blocks:
    """Rows of blocks, one block after the other, shuffled inside windows if wanted.

    Parameters
    ----------
    first : intp array
        First row of each block, in the order of the blocks. A block ends before row
        ``n_samples``.
    length : int
        Rows of a block.
    n_samples : int
    window : int, default=1
        Number of consecutive rows whose order is random.
    seed : int
        Of the random numbers.
    """

    cdef const Py_ssize_t[::1] first
    cdef Py_ssize_t length, n_samples, window
    cdef uint64_t state
    cdef Py_ssize_t block, inside       # the next row
    cdef Py_ssize_t[::1] asked, mixed   # a window's rows, before and after shuffling
    cdef Py_ssize_t held, given         # rows of the window, and how many of them were returned

    def __init__(self, const Py_ssize_t[::1] first, Py_ssize_t length,
                 Py_ssize_t n_samples, Py_ssize_t window=1, uint64_t seed=0):
        self.first, self.length, self.n_samples = first, length, n_samples
        self.window, self.state = window, seed
        self.block = self.inside = self.held = self.given = 0
        self.asked = np.empty(window, dtype=np.intp)
        self.mixed = np.empty(window, dtype=np.intp)

    def take(self, Py_ssize_t m):
        """The next m rows.

        Returns
        -------
        visit, fetch : intp arrays of shape (m,)
            In the order of visits, and in that in which the blocks hold them: the
            same array without windows.
        """
        visit = np.empty(m, dtype=np.intp)
        cdef Py_ssize_t[::1] visit_view = visit, fetch_view
        cdef Py_ssize_t i
        if self.window == 1:
            with nogil:
                i = self.fill(&visit_view[0] if m else NULL, m)
            if i < m:
                raise ValueError(f"the blocks have {i} rows left, not {m}")
            return visit, visit
        fetch = np.empty(m, dtype=np.intp)
        fetch_view = fetch
        with nogil:
            for i in range(m):
                if self.given == self.held:
                    self.next_window()
                    if self.held == 0:
                        break
                visit_view[i] = self.mixed[self.given]
                fetch_view[i] = self.asked[self.given]
                self.given += 1
            else:
                i = m
        if i < m:
            raise ValueError(f"the blocks have {i} rows left, not {m}")
        return visit, fetch

    cdef void next_window(self) noexcept nogil:
        """Shuffle the next rows (Fisher and Yates; Durstenfeld 1964)."""
        cdef Py_ssize_t i, j, row
        self.given = 0
        self.held = self.fill(&self.asked[0], self.window)
        for i in range(self.held):
            self.mixed[i] = self.asked[i]
        for i in range(self.held - 1, 0, -1):
            # The high bits: the remainder of so few numbers is biased by 2^-50.
            j = <Py_ssize_t> ((scramble(&self.state) >> 11) % <uint64_t> (i + 1))
            row = self.mixed[i]
            self.mixed[i] = self.mixed[j]
            self.mixed[j] = row

    cdef Py_ssize_t fill(self, Py_ssize_t* out, Py_ssize_t m) noexcept nogil:
        """The next m rows of the blocks, or all that are left; their number."""
        cdef Py_ssize_t done = 0, row, last
        while done < m and self.block < self.first.shape[0]:
            row = self.first[self.block] + self.inside
            last = min(self.first[self.block] + self.length, self.n_samples)
            if last - row > m - done:
                last = row + m - done
                self.inside += m - done
            else:
                self.block += 1
                self.inside = 0
            while row < last:
                out[done] = row
                row += 1
                done += 1
        return done
