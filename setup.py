"""Compile the kernels, and make the links of the README absolute.

All else about the package is in pyproject.toml.

The environment variable ``SKLGD_DEBUG=1`` makes kernels with bounds checks, little
optimisation and debug symbols.
"""

import os
import re
import sys
from pathlib import Path

import setuptools
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import FileError

# pip installs one that suits pyproject.toml. Whoever calls this file has to.

DEBUG = os.environ.get("SKLGD_DEBUG", "0") not in ("", "0")
# As many as there are processors; Python 3.13 and later know the limit of the process.
JOBS = getattr(os, "process_cpu_count", os.cpu_count)() or 1

# Cython's own code for typed memory views and the like. It is compiled once, in this
# module, instead of once in every kernel, which halves the time of a build.
SHARED_MODULE = "sklgd.kernels._cyutility"

DIRECTIVES = {
    "language_level": 3,
    "binding": True,
    "embedsignature": True,
    "freethreading_compatible": True,
    # No kernel is pickled (Python itself refuses to). The methods that only raise would
    # be a tenth of the code of the modules with many classes.
    "auto_pickle": False,
    # The lines of the .pyx file, for who reads the C code: a fifth of its size.
    "emit_code_comments": DEBUG,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    # Off in the debug build as well: there a negative index fails the bounds check.
    "wraparound": False,
    # Cython rejects `self.x += 1` without the GIL when this is on.
    "nonecheck": False,
    # They ask for what the debug build switches off on purpose.
    "show_performance_hints": not DEBUG,
}

MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
if DEBUG:
    MACROS.append(("SKLGD_DEBUG", "1"))

# Never -ffast-math: it assumes that nan and inf do not occur (divergence checks need
# them) and may reorder sums. No contraction: the same bits with and without FMA.
UNIX_FLAGS = ["-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
MSVC_FLAGS = ["/O2", "/fp:precise"]
# -O3 takes a quarter longer to compile, because it inlines more, and made one module
# faster: `_rows`, by a tenth in steps of single rows (cells of benchmarks/compare.py).
# The others need its vector loops only. (clang ignores the last four, with a warning.)
LEVEL_FLAGS = [
    "-O2",
    "-ftree-vectorize",
    "-fvect-cost-model=dynamic",
    "-fpeel-loops",
    "-funswitch-loops",
    "-fpredictive-commoning",
]
LEVELS = {"_rows": ["-O3"]}
# Modules that spend no measurable time in loops of their own: their code takes half the
# time to compile, and is smaller.
for glue in (
    "_cyutility", "_isa", "_loss_function", "_order", "_predict", "_threads",
):  # fmt: skip
    LEVELS[glue] = ["-O1"]
if DEBUG:
    UNIX_FLAGS = ["-g", "-UNDEBUG", *UNIX_FLAGS[1:]]
    LEVEL_FLAGS, LEVELS = ["-O1"], {}
    MSVC_FLAGS = ["/Od", "/Z7", "/fp:precise"]

BUILD_DIR = "build"
# Records how the files of BUILD_DIR were made, to rebuild them when that changes.
STAMP = Path(BUILD_DIR, "kernels.config")


# Where the links of the README lead to when a package index shows it.
FILES = "https://github.com/sklgd/sklgd/blob/main/"
PICTURES = "https://raw.githubusercontent.com/sklgd/sklgd/main/"


def package_description(readme):
    """The text of README.md with absolute links."""

    def absolute(found):
        target = found[1]
        picture = target.endswith((".svg", ".png"))
        return f"]({PICTURES if picture else FILES}{target})"

    return re.sub(r"\]\((?!\w+:|#)([^)]+)\)", absolute, readme)


class BuildKernels(build_ext):
    """Translate, then compile, with flags that suit the compiler found."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = JOBS

    def run(self):
        super().run()
        if not self.inplace:
            # Python started in this directory finds the sources before the installed
            # package. With the kernels beside them it works, too.
            try:
                self.copy_extensions_to_source()
            except (OSError, FileError) as error:
                self.warn(f"the kernels were not copied into the source tree: {error}")

    def build_extensions(self):
        import numpy

        msvc = self.compiler.compiler_type == "msvc"
        flags = MSVC_FLAGS if msvc else UNIX_FLAGS
        for ext in self.extensions:
            ext.include_dirs += [numpy.get_include(), "sklgd/kernels"]
            ext.define_macros += MACROS
            if not msvc:
                name = ext.name.rpartition(".")[2]
                ext.extra_compile_args += LEVELS.get(name, LEVEL_FLAGS)
            ext.extra_compile_args += flags
        self.translate()
        super().build_extensions()

    def translate(self):
        """Make C files of the .pyx files, outside the source tree."""
        import Cython
        import numpy
        from Cython.Build import cythonize

        environment = [os.environ.get(name) for name in ("CC", "CFLAGS", "LDFLAGS")]
        config = (
            f"Cython={Cython.__version__} numpy={numpy.__version__} "
            f"{environment}\n"
            f"{SHARED_MODULE}\n{DIRECTIVES}\n{MACROS}\n{UNIX_FLAGS}\n{MSVC_FLAGS}\n"
            f"{LEVEL_FLAGS}\n{LEVELS}\n"
        )
        changed = not STAMP.exists() or STAMP.read_text() != config
        translated = cythonize(
            self.extensions,
            build_dir=BUILD_DIR,
            include_path=["."],
            compiler_directives=DIRECTIVES,
            shared_utility_qualified_name=SHARED_MODULE,
            emit_linenums=DEBUG,
            # Worker processes need fork to be cheap and free of surprises.
            nthreads=JOBS if sys.platform == "linux" else 0,
            # Cython looks at dates, not at the directives.
            force=changed or self.force,
        )
        if changed:
            STAMP.parent.mkdir(exist_ok=True)
            STAMP.write_text(config)
        by_name = {ext.name: ext for ext in translated}
        for ext in self.extensions:
            ext.sources = by_name[ext.name].sources
            headers = [str(path) for path in Path("sklgd/kernels").glob("*.h")]
            ext.depends = [*by_name[ext.name].depends, *headers, str(STAMP)]


if __name__ == "__main__":
    if int(setuptools.__version__.partition(".")[0]) < 77:
        sys.exit(
            f"setuptools {setuptools.__version__} cannot read the SPDX licence "
            "expression of pyproject.toml. Run: "
            'python -m pip install "setuptools>=77"'
        )
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    setup(
        long_description=package_description(readme),
        long_description_content_type="text/markdown",
        ext_modules=[
            # Its source is generated by `cythonize`.
            Extension(SHARED_MODULE, ["sklgd/kernels/_cyutility.c"]),
            *(
                Extension(f"sklgd.kernels.{path.stem}", [path.as_posix()])
                for path in sorted(Path("sklgd/kernels").glob("*.pyx"))
            ),
        ],
        cmdclass={"build_ext": BuildKernels},
    )
