"""The daemon over hours: what it takes must stay flat, and every file must have its one fate.

`make soak` runs the real daemon under mixed jobs, configuration reloads, worker kills, clock steps and unmounts, takes
samples of what it holds, and prints a table of slopes. Apart from the test suite, because it takes two hours.
"""
