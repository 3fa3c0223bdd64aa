"""bytecode.py SOURCE OUTPUT INSTALLED: compile SOURCE, which will be the file INSTALLED, to OUTPUT."""

import py_compile
import sys

source, output, installed = sys.argv[1:]
py_compile.compile(
    source, output, installed, doraise=True,
    invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
)
