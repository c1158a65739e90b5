"""A report of bytes, in the daemon. In: a frame from a process that is not trusted. Out: a data class that is expected.

Nothing of a frame is run, imported or converted: every value has to be of the very type that its field has, a data
class has to have all its fields and no others, and what stands in a union says which of its members it is. Halves of
characters, which no file of ours could hold, are escaped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from aura_daemon.file_names import encodable
from aura_daemon.workers.reports.encoding import BLOB, HEAD, KIND

MOST_TOLD_BYTES: Final = 8 << 20
"""Of JSON in a frame: ten times what a set of pictures, the longest of all, says of itself."""

MOST_FRAME_BYTES: Final = 256 << 20
"""Of a frame: the largest picture has 8192 x 8192 pixels (2048, enlarged four times), 192 MiB without compression; the
page of a set of 10,000 pictures has some 60 MB."""

INTEGER_END: Final = 1 << 63
"""Every integer lies between this and its opposite, as those that the journal can hold."""


class BrokenProtocol(Exception):
    """What a process has sent is no report: it is not to be trusted any further."""


Reader: TypeAlias = Callable[[Any, "_Blobs"], Any]


class ReportReader:
    """Reads the reports of one kind of process."""

    def __init__(self, kinds: Iterable[type[Any]]) -> None:
        self._kinds = tuple(kinds)

    def __call__(self, frame: memoryview) -> object:
        """The report of a frame; raises BrokenProtocol."""
        told, behind = _parted(frame)
        try:
            sizes, content = json.loads(told)
        except (ValueError, TypeError, RecursionError):
            raise BrokenProtocol("what it said is no JSON of ours") from None
        blobs = _Blobs(sizes, behind)
        report = _reader(Union[self._kinds])(content, blobs)  # noqa: UP007 - of a tuple
        blobs.require_all_used()
        return report


class _Blobs:
    """The byte strings of a frame, each of which is used once, in their order."""

    def __init__(self, sizes: object, behind: memoryview) -> None:
        if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
            raise BrokenProtocol("the sizes of its byte strings are none")
        if sum(sizes) != len(behind):
            raise BrokenProtocol("its byte strings are not as long as it says")
        self._sizes: list[int] = sizes
        self._behind = behind
        self._number = self._place = 0

    def take(self, number: object) -> bytes:
        """The next one, which has to be asked for by its number."""
        if type(number) is not int or number != self._number or number >= len(self._sizes):
            raise BrokenProtocol("a byte string is named that is not the next one")
        end = self._place + self._sizes[number]
        content = bytes(self._behind[self._place : end])
        self._number, self._place = number + 1, end
        return content

    def require_all_used(self) -> None:
        if self._number != len(self._sizes):
            raise BrokenProtocol("byte strings came that belong to nothing")


def _parted(frame: memoryview) -> tuple[bytes, memoryview]:
    if len(frame) < HEAD.size:
        raise BrokenProtocol("a frame is too short to be one")
    (length,) = HEAD.unpack_from(frame)
    end = HEAD.size + length
    if length > MOST_TOLD_BYTES or end > len(frame):
        raise BrokenProtocol(f"a frame says that {length:,} bytes of it are JSON")
    return bytes(frame[HEAD.size : end]), frame[end:]


@cache
def _reader(kind: Any) -> Reader:
    """What makes a value of a type; the types of all reports are among those that stand here."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _of_union(get_args(kind))
    if origin is tuple:
        return _of_tuple(get_args(kind))
    if origin is Literal:
        return _of_choice({value: value for value in get_args(kind)})
    if is_dataclass(kind):
        return _of_data_class(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _of_choice({member.value: member for member in kind})
    return _SIMPLE[kind]


def _of_data_class(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    keys = {KIND, *readers}

    def read(value: Any, blobs: _Blobs) -> Any:
        if type(value) is not dict or value.keys() != keys or value[KIND] != kind.__name__:
            raise BrokenProtocol(f"no {kind.__name__} stands where one has to")
        return kind(**{name: reader(value[name], blobs) for name, reader in readers.items()})

    return read


def _of_union(kinds: tuple[Any, ...]) -> Reader:
    classes: list[Any] = [kind for kind in kinds if is_dataclass(kind)]
    named = {kind.__name__: _reader(kind) for kind in classes}
    others = [_reader(kind) for kind in kinds if kind not in classes]

    def read(value: Any, blobs: _Blobs) -> Any:
        name = value.get(KIND) if type(value) is dict else None
        if type(name) is str and name in named:
            return named[name](value, blobs)
        for reader in others:
            try:
                return reader(value, blobs)
            except BrokenProtocol:
                pass
        raise BrokenProtocol("a value is none of those that may stand there")

    return read


def _of_tuple(kinds: tuple[Any, ...]) -> Reader:
    if kinds[-1] is Ellipsis:
        each = _reader(kinds[0])

        def read_all(value: Any, blobs: _Blobs) -> Any:
            if type(value) is not list:
                raise BrokenProtocol("no list stands where one has to")
            return tuple(each(one, blobs) for one in value)

        return read_all
    readers = [_reader(kind) for kind in kinds]

    def read(value: Any, blobs: _Blobs) -> Any:
        if type(value) is not list or len(value) != len(readers):
            raise BrokenProtocol("a list is not as long as it has to be")
        return tuple(reader(one, blobs) for reader, one in zip(readers, value, strict=True))

    return read


def _of_choice(values: dict[Any, Any]) -> Reader:
    def read(value: Any, _: _Blobs) -> Any:
        if type(value) is not str or value not in values:
            raise BrokenProtocol("a word stands there that is none of the choices")
        return values[value]

    return read


def _integer(value: Any, _: _Blobs) -> int:
    if type(value) is not int or not -INTEGER_END < value < INTEGER_END:
        raise BrokenProtocol("no integer stands where one has to")
    return value


def _number(value: Any, _: _Blobs) -> float:
    if type(value) is int and -INTEGER_END < value < INTEGER_END:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        raise BrokenProtocol("no number stands where one has to")
    return value


def _text(value: Any, _: _Blobs) -> str:
    if type(value) is not str:
        raise BrokenProtocol("no text stands where one has to")
    return value if value.isascii() else encodable(value)


def _truth(value: Any, _: _Blobs) -> bool:
    if type(value) is not bool:
        raise BrokenProtocol("neither true nor false stands where one has to")
    return value


def _nothing(value: Any, _: _Blobs) -> None:
    if value is not None:
        raise BrokenProtocol("something stands where nothing may")


def _content(value: Any, blobs: _Blobs) -> bytes:
    if type(value) is not dict or value.keys() != {BLOB}:
        raise BrokenProtocol("no bytes stand where some have to")
    return blobs.take(value[BLOB])


_SIMPLE: Final[dict[Any, Reader]] = {
    int: _integer,
    float: _number,
    str: _text,
    bool: _truth,
    bytes: _content,
    NoneType: _nothing,
}
