"""The functions of BLAS and LAPACK that the kernels use; see blas.h."""

cdef extern from "blas.h":
    # To be called once by each kernel that uses what follows.
    int import_blas "sklgd_import_blas"() except -1

    void dgemm "sklgd_blas.dgemm"(
        char* transa, char* transb, int* m, int* n, int* k, double* alpha, double* a,
        int* lda, double* b, int* ldb, double* beta, double* c, int* ldc) noexcept nogil
    void dgemv "sklgd_blas.dgemv"(
        char* trans, int* m, int* n, double* alpha, double* a, int* lda, double* x,
        int* incx, double* beta, double* y, int* incy) noexcept nogil
    void dsyrk "sklgd_blas.dsyrk"(
        char* uplo, char* trans, int* n, int* k, double* alpha, double* a, int* lda,
        double* beta, double* c, int* ldc) noexcept nogil
    void dpotrf "sklgd_blas.dpotrf"(
        char* uplo, int* n, double* a, int* lda, int* info) noexcept nogil
    void dpotrs "sklgd_blas.dpotrs"(
        char* uplo, int* n, int* nrhs, double* a, int* lda, double* b, int* ldb,
        int* info) noexcept nogil
