/* The functions of BLAS and LAPACK that the kernels call, as SciPy publishes them.

   ``import_blas`` takes their addresses from the capsules of scipy.linalg.cython_blas and
   cython_lapack, as Cython's ``cimport`` would. But ``cimport`` reads the declarations of
   all 1500 functions, two seconds of a build, and needs SciPy to build. */

#ifndef SKLGD_BLAS_H
#define SKLGD_BLAS_H

#include <Python.h>
#include <string.h>

static struct {
    void (*dgemm)(char *, char *, int *, int *, int *, double *, double *, int *,
                  double *, int *, double *, double *, int *);
    void (*dgemv)(char *, int *, int *, double *, double *, int *, double *, int *,
                  double *, double *, int *);
    void (*dsyrk)(char *, char *, int *, int *, double *, double *, int *, double *,
                  double *, int *);
    void (*dpotrf)(char *, int *, double *, int *, int *);
    void (*dpotrs)(char *, int *, int *, double *, int *, double *, int *, int *);
} sklgd_blas;

/* True if the arguments are pointers to these types: a letter for each, c for char, i for
   int, d for double (of which SciPy's aliases end in _d). */
static int sklgd_has_arguments(const char *signature, const char *types) {
    const char *s = strchr(signature, '('), *end;
    char type;
    for (; s != NULL && *types; types++, s = end) {
        s += 1 + strspn(s + 1, " ");
        end = s + strcspn(s, ",)");
        type = strncmp(s, "char *", 6) == 0 ? 'c'
            : strncmp(s, "int *", 5) == 0 ? 'i'
            : strncmp(s, "double *", 8) == 0 ? 'd'
            : end - s > 4 && strncmp(end - 4, "_d *", 4) == 0 ? 'd' : 0;
        if (type != *types || !*end) return 0;
    }
    return s != NULL && *s == ')';
}

/* The address of a function; NULL with an exception if SciPy does not have it. */
static void *sklgd_function(const char *module, const char *name, const char *types) {
    PyObject *imported = PyImport_ImportModule(module), *table = NULL, *capsule = NULL;
    const char *signature;
    void *found = NULL;
    if (imported != NULL) table = PyObject_GetAttrString(imported, "__pyx_capi__");
    if (table != NULL) capsule = PyMapping_GetItemString(table, name);
    if (capsule != NULL) {
        signature = PyCapsule_GetName(capsule);
        if (signature != NULL && sklgd_has_arguments(signature, types))
            found = PyCapsule_GetPointer(capsule, signature);
        else if (!PyErr_Occurred())
            PyErr_Format(PyExc_ImportError,
                "%s.%s of the installed SciPy has other arguments than sklgd expects: "
                "%.200s. Install another version of SciPy or of sklgd.",
                module, name, signature != NULL ? signature : "unknown");
    }
    Py_XDECREF(capsule);
    Py_XDECREF(table);
    Py_XDECREF(imported);
    return found;
}

static int sklgd_import_blas(void) {
    const char *blas = "scipy.linalg.cython_blas", *lapack = "scipy.linalg.cython_lapack";
#define SKLGD_FIND(module, name, types) \
    (*(void **) &sklgd_blas.name = sklgd_function(module, #name, types)) == NULL
    if (SKLGD_FIND(blas, dgemm, "cciiiddididdi")
        || SKLGD_FIND(blas, dgemv, "ciiddididdi")
        || SKLGD_FIND(blas, dsyrk, "cciiddiddi")
        || SKLGD_FIND(lapack, dpotrf, "cidii")
        || SKLGD_FIND(lapack, dpotrs, "ciididii")) return -1;
#undef SKLGD_FIND
    return 0;
}

#endif
