"""What torch, diffusers and transformers import without need: a third of the time in which a worker starts.

In: the first import of these libraries. Out: the same libraries without scipy, the compiler of torch and its code for
several computers, each of which is imported at its first use. Importing this module imports no library.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

from aura_daemon.engines.transformers_names import names_when_asked
from aura_daemon.system.processes.linking import load_beside

COMPILER: Final = "torch._dynamo"

GET_ITEM: Final = f"{COMPILER}._trace_wrapped_higher_order_op"
"""The one submodule of the compiler that transformers imports by name, for masks that no model here has."""

SYMBOLS: Final = "torch.fx.experimental.symbolic_shapes"
"""Sizes that the compiler does not know yet, for which it needs sympy; tensors without memory ask about known ones."""


WITHOUT_TORCH: Final = ("huggingface_hub.hf_api", "huggingface_hub.file_download", "requests", "jinja2")
"""What diffusers and transformers import in any case."""

IN_C: Final = ("hashlib", "csv", "uuid", "yaml", "charset_normalizer", "markupsafe")
"""Modules of these that are libraries themselves: the linker loads one at a time."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """Within, libraries are imported without what they can do without.

    Measured, see BENCHMARKS. A library that asks for more than expected is given it, and only takes longer.
    """
    if "torch" not in sys.modules:
        _load_torch_beside()
    import torch
    import torch.distributed

    hides_scipy = "scipy" not in sys.modules
    is_available = torch.distributed.is_available
    stand_ins = []
    if COMPILER not in sys.modules:
        marks = dict.fromkeys(("allow_in_graph", "assume_constant_result", "disable"), _unmarked)
        stand_ins = [_StandIn(COMPILER, marks), _StandIn(GET_ITEM, {"TransformGetItemToIndex": _real_get_item})]
    parts = _PartsOfTheCompiler(stand_ins)
    sys.meta_path.insert(0, parts)
    if hides_scipy:
        vars(sys)["modules"]["scipy"] = None  # "not installed" to `import` and `find_spec`
    torch.distributed.is_available = lambda: False
    packages = importlib.metadata.packages_distributions
    importlib.metadata.packages_distributions = lambda: _Distributions(packages)
    try:
        _leave_meta_tensors_empty(torch)
        _compute_without_symbols()
        with names_when_asked():
            _know_what_is_compiled()
            yield
        _compile_patterns_late()
        importlib.import_module("diffusers").StableDiffusionPipeline  # noqa: B018 - imported here, not at its first use
    finally:
        if hides_scipy:
            del sys.modules["scipy"]
        importlib.metadata.packages_distributions = packages
        torch.distributed.is_available = is_available
        sys.meta_path.remove(parts)
        for stand_in in stand_ins:
            stand_in.leave()


def _load_torch_beside() -> None:
    """Has a thread load torch's libraries, for 0.2 s of another core, and imports meanwhile what diffusers needs too.

    To import torch loads them with the interpreter's lock held; here the lock is given up. What fails here fails there.
    """
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent / "lib"
    for name in IN_C:
        importlib.import_module(name)
    shown = folder / "libtorch_global_deps.so"  # as torch does
    load_beside((shown, folder / "libtorch_python.so"), shown=shown)
    for name in WITHOUT_TORCH:
        importlib.import_module(name)


def show_scipy() -> None:
    """Gives diffusers' schedulers scipy where they were imported without; takes a second the first time."""
    from diffusers.utils import import_utils

    importlib.import_module("scipy.stats")
    import_utils._scipy_available = True
    for name, module in tuple(sys.modules.items()):
        if name.startswith("diffusers.schedulers.scheduling_"):
            vars(module).setdefault("scipy", sys.modules["scipy"])


class _StandIn(ModuleType):
    """Stands for a module that is not imported yet, knows some of its names, and makes room for it at any other."""

    def __init__(self, name: str, known: Mapping[str, object]) -> None:
        super().__init__(name)
        self._known = tuple(known)
        vars(self).update(known, __path__=[])
        self._package, _, self._attribute = name.rpartition(".")
        sys.modules[name] = self
        if self._package in sys.modules:
            vars(sys.modules[self._package])[self._attribute] = self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.real(), name)

    def real(self) -> ModuleType:
        """The module, imported now."""
        self.leave()
        return importlib.import_module(self.__name__)

    def leave(self) -> None:
        """Makes room; does nothing the second time."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        for name in self._known:  # whoever has the stand-in is given the real ones from now on
            vars(self).pop(name, None)
        package = vars(sys.modules.get(self._package, self))
        if package.get(self._attribute) is self:
            del package[self._attribute]


class _PartsOfTheCompiler(importlib.abc.MetaPathFinder):
    """Has the real compiler imported where a part of it is that no stand-in is made for."""

    def __init__(self, stand_ins: Sequence[_StandIn]) -> None:
        self._stand_ins = stand_ins

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if not name.startswith(f"{COMPILER}.") or not isinstance(sys.modules.get(COMPILER), _StandIn):
            return None
        for stand_in in self._stand_ins:
            stand_in.leave()
        return ModuleSpec(name, _Imported(importlib.import_module(name)))


class _Imported(importlib.abc.Loader):
    """Gives a module that was imported while its name was looked for."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, _spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _unmarked(function: Any = None, *_options: object, **_named: object) -> Any:
    """A decorator that tells only the compiler something, without the compiler."""
    return function if function is not None else lambda decorated: decorated


def _real_get_item() -> Any:
    return importlib.import_module(GET_ITEM).TransformGetItemToIndex()


def _leave_meta_tensors_empty(torch: Any) -> None:
    """Tensors without memory get no random numbers before their weights are read: only the compiler could draw them."""
    reset: Callable[[Any], None] = torch.nn.Embedding.reset_parameters

    def reset_parameters(embedding: Any) -> None:
        if not embedding.weight.is_meta:
            reset(embedding)

    torch.nn.Embedding.reset_parameters = reset_parameters


def _compute_without_symbols() -> None:
    """What is plainly true or false needs no sympy, whose import takes a quarter of a second."""
    if SYMBOLS in sys.modules:
        return

    def asked(name: str, plain: Callable[..., bool | None]) -> Callable[..., object]:
        def answer(*given: object, **named: object) -> object:
            known = plain(*given)
            return getattr(stand_in.real(), name)(*given, **named) if known is None else known

        return answer

    stand_in = _StandIn(SYMBOLS, {name: asked(name, plain) for name, plain in PLAIN_ANSWERS.items()})


def _plain_truth(given: object, *_options: object) -> bool | None:
    return given if isinstance(given, bool) else None


def _same_size(one: Any, other: Any) -> bool | None:
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return list(one) == list(other) if all(type(px) is int for px in (*one, *other)) else None
    return None


TRUTHS: Final = ("expect_true", "guard_or_false", "guard_or_true", "guard_size_oblivious", "statically_known_true")

PLAIN_ANSWERS: Final[Mapping[str, Callable[..., bool | None]]] = {
    **dict.fromkeys(TRUTHS, _plain_truth),
    "is_nested_int": lambda size: False if type(size) is int else None,
    "sym_eq": _same_size,
}
"""Functions of `SYMBOLS`, answered where no symbol is given."""


class _Distributions(Mapping[str, list[str]]):
    """Which distributions hold which package, found out when somebody looks: diffusers does for rare packages alone."""

    def __init__(self, find: Callable[[], Mapping[str, list[str]]]) -> None:
        self._find = cache(find)

    def __getitem__(self, name: str) -> list[str]:
        return self._find()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._find())

    def __len__(self) -> int:
        return len(self._find())


class _LatePattern:
    """A regular expression that is compiled when it is used."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._given = pattern, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(re.compile(*self._given), name)

    def __deepcopy__(self, _memo: object) -> _LatePattern:
        return self


def _compile_patterns_late() -> None:
    """Of 900 expressions for the weights of all models, few are used; they take 0.1 s of the first load."""
    loading: Any = importlib.import_module("transformers.core_model_loading")
    loading.re = SimpleNamespace(**{**vars(re), "compile": _LatePattern})


def _know_what_is_compiled() -> None:
    """diffusers asks of every part whether it is compiled, which would import the compiler; before that none is."""
    from diffusers.utils import torch_utils

    is_compiled: Callable[[Any], bool] = torch_utils.is_compiled_module
    torch_utils.is_compiled_module = lambda module: COMPILER in sys.modules and is_compiled(module)
