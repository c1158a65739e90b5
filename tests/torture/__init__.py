"""The contract under torture: every file that is completely delivered ends as exactly one result or one failure.

`make torture` runs the real daemon as a process, its worker scripted, against kills, real tools and real faults, and
prints a line a fault: tried, survived, lost, doubled. Apart from the test suite, because it takes minutes.
"""
