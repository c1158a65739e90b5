"""Stable Diffusion 1.x as a family: prompt, and perhaps an image, to picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from aura_daemon.config.engine import EngineSettings, GenerateSettings, Safety
from aura_daemon.config.workers.services import ConvertedPart, Services
from aura_daemon.engines.compiled.variants import variant_of, with_variant
from aura_daemon.engines.defaults import resolve_generate
from aura_daemon.engines.interface import DecodedTask, TaskResult
from aura_daemon.engines.model_files.beside.further_models import FurtherModel
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.openvino.choice import ROUGH, Chosen, chosen, is_convertible
from aura_daemon.engines.openvino.converted_models import ConvertedModels
from aura_daemon.engines.openvino.store import Kind
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import generator_footprint
from aura_daemon.engines.reporter import Reporter
from aura_daemon.engines.stable_diffusion.generator import Generator
from aura_daemon.engines.stable_diffusion.guidance.controls.net_files import nets_wanted
from aura_daemon.engines.stable_diffusion.guidance.controls.net_memory import left_out, with_nets
from aura_daemon.engines.stable_diffusion.guidance.inputs import PictureInputs, read_inputs
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_files import (
    PER_ADAPTER,
    AdapterFiles,
    adapters_found,
    adapters_wanted,
    with_adapters,
)
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_memory import pictures_unseen, with_readers
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.steps import second_px, steps_of
from aura_daemon.file_names import escaped
from aura_daemon.jobs.queueing import batch_key
from aura_daemon.jobs.requests import GenerateRequest, JobKind, Request
from aura_daemon.jobs.results import EAGER, Failure, FailureKind, Produced
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Extent, Footprint
from aura_daemon.ladder.rungs import Backend, Rung, ladder

Decoded: TypeAlias = DecodedTask[PictureInputs]


class StableDiffusion:
    """Draws pictures, those of one size and one set of settings together."""

    def __init__(self, settings: EngineSettings, services: Services | None = None) -> None:
        """`services`: who has models converted; None: this process."""
        self._settings = settings
        self._converted = ConvertedModels(ConvertedPart.UNET, services)

    def model_format(self, request: Request) -> ModelFormat:
        """The same for all."""
        return STABLE_DIFFUSION

    def batch_key(self, request: Request) -> Request | None:
        """Pictures may differ in nothing that the UNet sees but prompt and noise."""
        return batch_key(request)

    def model(self, request: Request) -> GenerateSettings | Failure:
        """The settings of the model that a request names, or of the configured one."""
        assert isinstance(request, GenerateRequest)
        configured = self._settings.generate
        name = request.model or configured.model
        if name not in (configured.model, *configured.models):
            allowed = ", ".join((configured.model, *configured.models))
            message = f"model {escaped(name)} is none that the configuration allows"
            return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=f"name one of {allowed}")
        return replace(self.configured(name), speed=request.speed or configured.speed)

    def configured(self, name: str) -> GenerateSettings:
        """The settings of a model by its name; a revision is configured for one model only."""
        configured = self._settings.generate
        return configured if name == configured.model else replace(configured, model=name, revision=None)

    def further_models(self, request: Request) -> tuple[FurtherModel, ...] | Failure:
        """The ControlNets of its maps, then the adapters of the pictures that it is to be like."""
        assert isinstance(request, GenerateRequest)
        generate = self._settings.generate
        model = request.model or generate.model
        nets, adapters = nets_wanted(request.control, generate, model), adapters_wanted(request.like, generate, model)
        if isinstance(nets, Failure):
            return nets
        return adapters if isinstance(adapters, Failure) else (*nets, *adapters)

    def decode(self, task: Task) -> PictureInputs | Failure:
        """The images that the request names."""
        return read_inputs(task, self._settings)

    def extent(self, tasks: Sequence[Decoded], files: ModelFiles) -> Extent:
        """The pixels of the last pass."""
        resolved = self._picture_task(tasks[0], files).resolved
        width, height = second_px(resolved)
        return Extent(width=width, height=height, batch=len(tasks), guided=files.own.is_guided(resolved.guidance_scale))

    def variant(self, tasks: Sequence[Decoded], files: ModelFiles, placement: Placement) -> str:
        """Forced by the configuration, or on OpenVINO where the model was converted and that is faster; else eager."""
        request = tasks[0].task.request
        adapted = isinstance(request, GenerateRequest) and bool(request.loras or request.control or request.like)
        forced = variant_of(self._settings.generate.engine, placement, adapted=adapted)
        return forced or self._chosen(tasks[0], files, placement).variant

    def rungs(self, backend: Backend) -> tuple[Rung, ...]:
        """All that the backend has."""
        return ladder(backend, JobKind.GENERATE)

    def footprint(self, files: ModelFiles, placement: Placement, tasks: Sequence[Decoded] = ()) -> Footprint:
        """With the safety checker, where it is used, and ControlNets; a tiny decoder leaves encoding to the VAE."""
        checks = self._settings.generate.safety is not Safety.OFF
        encodes = any(task.picture.start is not None or _has_second_pass(task) for task in tasks)
        plain = generator_footprint(files, placement, with_checker=checks, encodes=encodes)
        further = self._further_of(tasks[0]) if tasks else Further()
        guided = with_nets(plain, further.nets, placement)
        return with_variant(with_readers(guided, further.adapters.values(), placement), placement)

    def load(self, files: ModelFiles, placement: Placement) -> Generator:
        """Loads; raises what diffusers raises."""
        configured = self.configured(files.name)
        attention, thumbnails = self._settings.attention, self._settings.thumbnails
        if placement.variant not in list(Kind):
            return Generator(files, placement, configured, attention, thumbnails=thumbnails)
        with self._converted.used(files, placement):
            graph = self._converted.graph(files, placement)
            return Generator(files, placement, configured, attention, thumbnails=thumbnails, graph=graph)

    def prepare(self, engine: Generator, picture: PictureInputs) -> PictureInputs:
        """As it is: its size is the job's."""
        return picture

    def run(
        self, engine: Generator, tasks: Sequence[Decoded], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[TaskResult]:
        """Denoises pictures together; raises what torch raises."""
        pictures = [self._picture_task(decoded, engine.files) for decoded in tasks]
        resolved, configured = pictures[0].resolved, self._settings.generate.engine
        if note := (
            left_out(configured, resolved.control, engine.placement)
            or pictures_unseen(configured, resolved.like, engine.placement)
        ):
            for picture in pictures:
                picture.notes = (*picture.notes, note)
        if self._settings.generate.engine is EngineChoice.OPENVINO and engine.placement.variant == EAGER:
            why = self._chosen(tasks[0], engine.files, engine.placement).why
            for picture in pictures:
                picture.notes = (*picture.notes, f"engine: openvino is configured, but PyTorch drew this: {why}")
        with self._converted.used(engine.files, engine.placement):
            for picture, outcome in engine.draw(pictures, reporter, peak):
                step_s = picture.step_s(steps_of(picture.resolved)) if isinstance(outcome, Produced) else 0.0
                yield TaskResult(task=picture.task, outcome=outcome, step_s=step_s)
        self._convert_meanwhile(pictures[0].resolved.speed, engine.files, engine.placement)

    def _chosen(self, decoded: Decoded, files: ModelFiles, placement: Placement) -> Chosen:
        request = decoded.task.request
        assert isinstance(request, GenerateRequest)
        found = chosen(self._settings, request, files, placement, self._converted.of(files))
        return self._converted.sound(files, found)

    def _convert_meanwhile(self, speed: Speed, files: ModelFiles, placement: Placement) -> None:
        """Has the model converted while the next jobs are drawn, where that is worth it here."""
        if not is_convertible(self._settings, files, placement):
            self._converted.convert_meanwhile(files, placement, wants_int8=speed in ROUGH)

    def _picture_task(self, decoded: Decoded, files: ModelFiles) -> PictureTask:
        request, inputs = decoded.task.request, decoded.picture
        assert isinstance(request, GenerateRequest)
        image_px = inputs.start.picture.size if inputs.start is not None else None
        resolved, notes = resolve_generate(request, self.configured(files.name), files.own, image_px)
        further = self._further_of(decoded)
        return PictureTask(
            task=decoded.task,
            resolved=replace(resolved, like=with_adapters(resolved.like, self._settings.generate)),
            inputs=inputs,
            nets=further.nets,
            adapters=further.adapters,
            notes=notes,
        )

    def _further_of(self, decoded: Decoded) -> Further:
        """The models that `further_models` named, told apart."""
        request, files = decoded.task.request, decoded.further
        assert isinstance(request, GenerateRequest)
        adapters = adapters_found(with_adapters(request.like, self._settings.generate), files)
        return Further(nets=files[: len(files) - PER_ADAPTER * len(adapters)], adapters=adapters)


@dataclass(frozen=True, kw_only=True, slots=True)
class Further:
    """The models that a picture takes beside the one that draws it."""

    nets: tuple[ModelFiles, ...] = ()
    adapters: Mapping[str, AdapterFiles] = field(default_factory=dict)


def _has_second_pass(decoded: Decoded) -> bool:
    request = decoded.task.request
    return isinstance(request, GenerateRequest) and request.hires is not None
