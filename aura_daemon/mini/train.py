"""Make aura-mini from nothing: `python -m aura_daemon.mini.train [--out DIR] [--stage vae|unet|blip|export]`.

The stages run one after another; each leaves a checkpoint in the work folder, so that one can be run again alone.
"""

import argparse
import tempfile
from pathlib import Path

from diffusers import AutoencoderKL

from aura_daemon.mini import WEIGHTS, autoencoder
from aura_daemon.mini.trainlog import TrainingLog

STAGES = ("vae", "blip", "unet", "export")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where generator/ and captioner/ are written")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "aura-mini", help="checkpoints")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this stage (may be repeated)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    log = TrainingLog(options.out / "train.log")
    for stage in options.stage or STAGES:
        if stage == "vae":
            autoencoder.train(log, seed=options.seed).save_pretrained(options.work / "vae")


if __name__ == "__main__":
    main()
