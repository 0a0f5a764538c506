"""Runs in the fetched interpreter, whichever it is: leaves of what is installed what can run there.

    python -m sift markers                        what environment markers are here, as JSON
    python -m sift version                        the version of this Python
    python -m sift fits SPECIFIERS                refuse a program that is for another Python
    python -m sift compiled WORK REQUIREMENTS     write what to seek a pure form of
    python -m sift settle WORK PACKED PROGRAM SUFFIX
                                                  swap or strip these, refuse what needs them

WORK holds `site`, the dependencies; `own`, the program's metadata and what its build added; and
`pure/NAME`, the pure form of the distribution NAME, told by `pure/NAME.form`. PACKED is where the
program lies, and SUFFIX what a `.py` will be followed by there. A refusal is one line on standard
error. Only the standard library of Python 3.6 is used: older interpreters are fetched too.
"""
