"""Which instruction set the kernels use."""

cdef extern from "isa.h":
    bint sklgd_use_avx2() noexcept nogil


def instruction_set():
    """Name of the instruction set of the dense kernels on this machine.

    Returns
    -------
    str
        "avx2", or "base" for what the package was compiled for: without AVX2, on other
        processors, where the compiler (MSVC) cannot compile for both, or if the
        environment variable ``SKLGD_ISA=base`` was set when the package was imported.
        The results have the same bits.

    Examples
    --------
    >>> from sklgd.kernels._isa import instruction_set
    >>> instruction_set() in ("base", "avx2")
    True
    """
    return "avx2" if sklgd_use_avx2() else "base"
