"""A process that fuzzes one reader, by Atheris: `python -m tests.fuzzing.child TARGET FOLDER… -libFuzzer=options`.

The readers are imported below Atheris' hook, which has them count what they cover.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found]


def main() -> None:
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["aura_daemon"]):
        from tests.fuzzing.targets import target_of

        read = target_of(name).read
    from tests.fuzzing.limits import bounded

    atheris.Setup([sys.argv[0], *options], lambda content: bounded(read, content))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
