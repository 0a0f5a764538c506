"""Stub."""


def check_start(*a):
    pass
