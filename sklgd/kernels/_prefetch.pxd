"""Asking for memory before it is needed."""

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define sklgd_prefetch(address) __builtin_prefetch(address)
    #else
    #define sklgd_prefetch(address) ((void) (address))
    #endif
    """
    void sklgd_prefetch(const void* address) noexcept nogil

cdef enum:
    LINE = 64           # bytes of a cache line
