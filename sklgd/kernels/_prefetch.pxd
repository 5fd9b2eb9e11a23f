"""Reads memory into a cache before it is needed."""

cdef extern from "isa.h":
    void sklgd_prefetch(const void* address) noexcept nogil

cdef enum:
    LINE = 64           # bytes of a cache line
