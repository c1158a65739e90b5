"""Which names `transformers` offers: found out for the models that jobs load, for all others once one is asked for.

In: the first import of transformers. Out: the same package. By itself it reads all 3,300 files of its 550 models at
every start, twice, for the names in their `__all__`. Measured, see BENCHMARKS.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

Names: TypeAlias = dict[frozenset[str], dict[str, set[str]]]
"""What a module must have installed -> the module -> its names."""

READER: Final = "transformers.utils.import_utils"
"""The module that finds names out."""

MODELS: Final = (
    *("auto", "bart", "bert", "blip", "clip", "florence2", "git"),
    *("dinov2_with_registers", "siglip", "vit_mae"),  # diffusers has an autoencoder of these
    "bloom",  # peft knows its layers
)
"""Folders of `transformers.models` whose names are asked for; a further one costs all of them, a third of a second."""

ASKED_OF_ALL: Final = ("diffusers.pipelines.pipeline_loading_utils", "ALL_IMPORTABLE_CLASSES")
"""The names that diffusers asks every library for, of which each has some."""

PREFIXES: Final = {"transformers": "models", "transformers.models": None}
"""The packages that offer names of all models, and what stands before these names' modules."""


@contextmanager
def names_when_asked() -> Iterator[None]:
    """Within, transformers is imported with the names of `MODELS`; at any other name it finds all of them out."""
    if READER in sys.modules:
        yield
        return
    finder = _Followed(READER, _find_out_late)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


class _Followed(MetaPathFinder, Loader):
    """Has something done as soon as a module has been imported, before its importers go on."""

    def __init__(self, name: str, then: Callable[[Any], None]) -> None:
        self._name, self._then = name, then

    def find_spec(self, name: str, path: Any = None, _target: object = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then(module)


def _find_out_late(reader: Any) -> None:
    """Puts the two functions of transformers that find names out behind ours."""
    read: Callable[..., Names] = reader.define_import_structure
    package: Any = reader._LazyModule
    get: Callable[[Any, str], Any] = package.__getattr__
    partly: dict[str | None, Names] = {}

    def define_import_structure(module_path: str | Path, prefix: str | None = None) -> Names:
        path = Path(module_path)
        folder = path.parent if path.is_file() else path
        if folder.name != "models" or prefix not in PREFIXES.values():
            return read(module_path, prefix)
        names = partly[prefix] = {}
        for model in MODELS:
            if (folder / model).is_dir():  # otherwise of another version
                _add(names, read(folder / model, f"{prefix}.{model}" if prefix else model))
        return names

    def get_attribute(module: Any, name: str) -> Any:
        if module.__name__ in PREFIXES and not name.startswith("_") and not _knows(module, name):
            prefix = PREFIXES[module.__name__]
            names = partly.pop(prefix, None)
            if names is not None:
                _add(names, read(Path(reader.__file__).parents[1] / "models", prefix))
                whole = package(module.__name__, module.__file__, names)
                vars(module).update({kind: vars(whole)[kind] for kind in (*KINDS, "__all__", "_import_structure")})
        return get(module, name)

    reader.define_import_structure = define_import_structure
    package.__getattr__ = get_attribute


KINDS: Final = ("_class_to_module", "_modules", "_object_missing_backend")
"""Attributes of a package of transformers, each of which holds names."""


def _knows(module: Any, name: str) -> bool:
    """Whether nothing need be found out: the package has the name, or a file of that name, or never had it."""
    if name in module._objects or any(name in getattr(module, kind) for kind in KINDS):
        return True
    asking, names = ASKED_OF_ALL
    is_asked_of_all = name in getattr(sys.modules.get(asking), names, ())
    return is_asked_of_all or (Path(module.__file__).parent / f"{name}.py").is_file()


def _add(names: Names, more: Names) -> None:
    for needed, modules in more.items():
        known = names.setdefault(needed, {})
        for module, offered in modules.items():
            known[module] = known.get(module, set()) | offered
