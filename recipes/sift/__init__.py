"""Runs in the fetched interpreter, whichever it is: leaves of what is installed what can run there.

    python -m sift markers                        what environment markers are here, as JSON
    python -m sift version                        the version of this Python
    python -m sift fits SPECIFIERS                refuse a program that is for another Python
    python -m sift compiled WORK [REQUIREMENTS]   a line for each distribution with extensions
    python -m sift settle WORK PACKED PROGRAM     swap or strip these, refuse what needs them

WORK holds `site`, the dependencies; `own`, the program's metadata and what its build added; and
`pure/N`, the pure form of the distribution in line N of `compiled`, told by `pure/N.form`. PACKED
is where the program lies. A refusal is one line on standard error. Only the standard library of
Python 3.6 is used: older interpreters are fetched too.
"""
