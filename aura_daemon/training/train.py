"""Train aura-mini from scratch: `python -m aura_daemon.training.train [--out DIR] [--stage vae|unet|blip|export]`.

The stages run one after another; each leaves a checkpoint in the work folder, so that a stage can be run again alone.
"""

import tempfile
from pathlib import Path
from typing import Final

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import BlipForConditionalGeneration, CLIPTextModel

from aura_daemon.mini import WEIGHTS
from aura_daemon.training import autoencoder, captioner, generator
from aura_daemon.training.export import export_captioner, export_generator
from aura_daemon.training.stages import parsed, training_parser
from aura_daemon.training.trainlog import TrainingLog

STAGES: Final = ("vae", "unet", "blip", "export")


def main() -> None:
    parser = training_parser(__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where generator/ and captioner/ are written")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "aura-mini", help="checkpoints")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this stage (may be repeated)")
    options = parsed(parser)
    log = TrainingLog(options.out / "train.log")
    for stage in options.stage or STAGES:
        run(stage, out=options.out, work=options.work, log=log, seed=options.seed)


def run(stage: str, *, out: Path, work: Path, log: TrainingLog, seed: int) -> None:
    """One stage: from the checkpoints it needs in `work` to the one it leaves there."""
    if stage == "vae":
        autoencoder.train(log, seed=seed).save_pretrained(work / "vae")
        return
    vae = AutoencoderKL.from_pretrained(work / "vae")
    match stage:
        case "blip":
            captioner.train(log, vae, out / "generator", seed=seed).save_pretrained(work / "blip")
            export_captioner(out / "captioner", BlipForConditionalGeneration.from_pretrained(work / "blip"))
        case "unet":

            def keep(text: CLIPTextModel, unet: UNet2DConditionModel) -> None:
                text.save_pretrained(work / "text")
                unet.save_pretrained(work / "unet")
                export_generator(out / "generator", vae, text, unet)

            generator.train(log, vae, seed=seed, snapshot=keep)
        case "export":
            export_captioner(out / "captioner", BlipForConditionalGeneration.from_pretrained(work / "blip"))
            export_generator(
                out / "generator",
                vae,
                CLIPTextModel.from_pretrained(work / "text"),
                UNet2DConditionModel.from_pretrained(work / "unet"),
            )


if __name__ == "__main__":
    main()
