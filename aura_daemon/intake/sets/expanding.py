"""A job about a set of pictures -> one for each of them. In: patterns. Out: their specs, and where each result goes.

Pictures that were claimed just before the job file came are taken into the set as well: those whose jobs have not begun
go back to where they lay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.formats.datasets.names import STEM
from aura_daemon.formats.yaml_reader import Document
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.input_images import InputImages, NotTaken
from aura_daemon.intake.sets.finding import FoundSet, SetFinder
from aura_daemon.jobfile.keys.image_patterns import MOST_PICTURES, PatternsBelow
from aura_daemon.jobfile.parser import ParsedJob, documents_of
from aura_daemon.jobfile.validation import JobSpec
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.parts import kept_name
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import NamedImage, Source, in_64_bits
from aura_daemon.system.files import regular_files
from aura_daemon.watch.caption_texts import is_skipped


@dataclass(frozen=True, kw_only=True, slots=True)
class SetMember:
    """One picture of a set that is to be captioned."""

    spec: JobSpec
    parsed: ParsedJob
    folder: str
    """Of its result, below the outbox."""
    stem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpandedSet:
    """A set whose pictures are known."""

    members: tuple[SetMember, ...]
    folder: str
    request: DatasetRequest
    parsed: ParsedJob
    named: tuple[NamedImage, ...]


class SetExpander:
    """Expands the sets of one inbox."""

    def __init__(
        self, settings: Settings, claims: Claims, inputs: InputImages, finder: SetFinder, journal: Journal
    ) -> None:
        self._settings = settings
        self._claims = claims
        self._inputs = inputs
        self._finder = finder
        self._journal = journal
        self._withdrawn: list[Source] = []

    def withdrawn(self) -> list[Source]:
        """The pictures that were taken into sets since the last call, whose own sources have no jobs any more."""
        withdrawn, self._withdrawn = self._withdrawn, []
        return withdrawn

    def expanded(
        self, source: Source, spec: JobSpec, parsed: ParsedJob, *, others: Collection[str] = ()
    ) -> ExpandedSet:
        """The set of one document; raises NotTaken, or OSError. `others`: the folders of other sets of the file."""
        request = spec.request
        assert isinstance(request, CaptionRequest)
        found = self._finder.found(source.path, spec.images)
        if len(found.pictures) > MOST_PICTURES:
            raise NotTaken(
                f"`images` match {len(found.pictures):,} pictures; a file names at most {MOST_PICTURES:,}",
                "Split the set by folders, or by how names begin, into several files.",
            )
        taken = self._taken(source.path, found.patterns)
        found = self._finder.found(source.path, spec.images)
        elsewhere = tuple(path for path in taken if path not in found.pictures)
        matched = {pattern for path in elsewhere for pattern in found.patterns.matched_by(path)}
        for pattern in (pattern for pattern in found.unmatched if pattern not in matched):
            shown, near = file_names.escaped(pattern), file_names.escaped(source.path.rpartition("/")[0])
            where = f"{near}/ or the inbox" if near else "the inbox"
            mend = "Correct the pattern, or put the pictures there, then move the file back into the inbox."
            raise NotTaken(f"no picture matches `images: {shown}`, below {where}", mend)
        file = request.file_over(self._settings.caption.file())
        kept = tuple(path for path in found.pictures if is_skipped(self._settings.inbox, path, file))
        folder = self._folder(source, others)
        to_caption = sorted((set(found.pictures) - set(kept)) | set(elsewhere))
        members = self._members(to_caption, frozenset(found.pictures), found, folder, spec, parsed)
        return ExpandedSet(
            members=tuple(members),
            folder=folder,
            request=DatasetRequest(images=spec.images, base=found.patterns.base, file=file, kept=kept),
            parsed=parsed,
            named=tuple(self._named(found.pictures, elsewhere)),
        )

    def _members(
        self,
        paths: list[str],
        waiting: frozenset[str],
        found: FoundSet,
        folder: str,
        spec: JobSpec,
        parsed: ParsedJob,
    ) -> Iterator[SetMember]:
        """A job for each picture, with text of its own. `waiting`: pictures that lie in the inbox."""
        request, base = spec.request, found.patterns.base
        assert isinstance(request, CaptionRequest)
        keys = _keys_of(parsed)
        before = to_yaml(keys) if keys else ""
        taken: set[tuple[str, str]] = set()
        for path in paths:
            below = PurePosixPath(path).relative_to(base) if base else PurePosixPath(path)
            own = replace(request, image=path, picture=path if path in waiting else "", of_set=True)
            text = f"{before}{to_yaml({'image': path})}".encode()
            inner = file_names.portable_folder("" if str(below.parent) == "." else f"x/{below.parent}")[2:]
            place = f"{folder}/{inner}" if inner else folder
            yield SetMember(
                spec=replace(spec, request=own, images=()),
                parsed=replace(parsed, text=text),
                folder=place,
                stem=_free_stem(place, _stem(below.stem), taken),
            )

    def _folder(self, source: Source, others: Collection[str]) -> str:
        """A folder below the outbox in which no other set lies, or is going to lie."""
        above = file_names.portable_folder(source.path.rpartition("/")[0])
        stem = file_names.portable(file_names.output_stem(PurePosixPath(source.path).stem, None))
        for candidate in file_names.candidates(stem):
            folder = file_names.portable_folder("/".join(filter(None, (above, candidate))))
            is_there = regular_files.exists(self._settings.outbox / folder) and self._settings.existing == "keep"
            if not is_there and folder not in others and not self._journal.stem_is_awaited(folder, STEM):
                return folder
        raise AssertionError("candidates never end")

    def _taken(self, path: str, patterns: PatternsBelow) -> list[str]:
        """The pictures of the set that were claimed by themselves not long ago; those not begun lie there again."""
        claimed = self._finder.claimed(path, patterns)
        for image in claimed:
            if {job.state for job in self._journal.jobs_of(image.id)} == {JobState.QUEUED}:
                self._put_back(image)
        return [image.path for image in claimed]

    def _put_back(self, image: Source) -> None:
        """Withdraws the job of a picture; the file goes first, so that a crash in between loses nothing."""
        file = self._claims.file_of(image)
        try:
            if not self._claims.is_copy(file):
                self._claims.put_back(file, image.path)
        except OSError as error:
            # A crash, or a journal that took no writes, came between the file and the withdrawal.
            is_back = isinstance(error, FileNotFoundError) and regular_files.exists(self._claims.inbox / image.path)
            if not is_back:
                logger.warning("{} cannot be put back: {}", file_names.escaped(image.path), error.strerror)
                return
        for job in self._journal.jobs_of(image.id):  # which nobody knows once it is withdrawn
            self._inputs.forget(job)
            for part in range(len(job.chain.done) + 1) if job.chain is not None else ():
                (self._claims.inputs / kept_name(job.id, part)).unlink(missing_ok=True)
        self._journal.withdraw(image.id)
        self._withdrawn.append(image)
        logger.info("{} belongs to a set that has come: its own job is withdrawn", image.id)

    def _named(self, waiting: tuple[str, ...], elsewhere: tuple[str, ...]) -> Iterator[NamedImage]:
        """What the journal remembers of the pictures."""
        for path in waiting:
            try:
                status = (self._claims.inbox / path).lstat()
            except FileNotFoundError:
                continue
            yield NamedImage(path=path, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)
        for path in elsewhere:
            image = self._journal.latest_source(path)
            if image is not None:
                yield NamedImage(path=path, size_bytes=image.size_bytes, modified_ns=in_64_bits(image.modified_ns))


def _keys_of(parsed: ParsedJob) -> dict[str, object]:
    """The keys of a document but for its images; its text has been read before."""
    document = next(documents_of(parsed.text, file=""))
    assert isinstance(document, Document)
    return {key: value for key, value in document.mapping.items() if key not in ("images", "image")}


def _stem(stem: str) -> str:
    """The stem of a picture's result, which is not that of the files of the set."""
    fit = file_names.portable(file_names.output_stem(stem, None))
    return f"{fit}_" if fit.casefold().partition(".")[0] == STEM else fit


def _free_stem(folder: str, stem: str, taken: set[tuple[str, str]]) -> str:
    """A stem that no earlier picture of the set has in its folder (`a.jpg`, `a.png`), and takes it."""
    for candidate in file_names.candidates(stem):
        key = (file_names.collision_key(folder), file_names.collision_key(candidate))
        if key not in taken:
            taken.add(key)
            return candidate
    raise AssertionError("candidates never end")
