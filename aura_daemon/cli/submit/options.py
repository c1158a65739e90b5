"""The options of `submit`, called as the keys of job files; their words are read by the parser of job files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from aura_daemon.cli.shell import completing

_Text: TypeAlias = str | None

Things = Annotated[
    list[str],
    typer.Argument(
        metavar="PROMPT|FILE|-",
        help="Prompts in quotes; pictures, job files, lists of prompts; `-` for standard input.",
        autocompletion=completing.files,
    ),
]
Question = Annotated[_Text, typer.Option("--question", help="What the caption of a picture begins with.")]
Aspect = Annotated[
    _Text,
    typer.Option(
        "--aspect",
        "--aspect-ratio",
        metavar="16:9",
        help="The shape of the picture.",
        autocompletion=completing.aspect_ratios,
    ),
]
Size = Annotated[_Text, typer.Option("--size", metavar="WIDTHxHEIGHT", help="In pixels, such as 912x512.")]
Steps = Annotated[_Text, typer.Option("--steps", metavar="N", help="1 to 150.")]
Seed = Annotated[_Text, typer.Option("--seed", metavar="N", help="A number, or several: 1-4.")]
Count = Annotated[_Text, typer.Option("--count", "--num-images", metavar="N", help="So many pictures.")]
Negative = Annotated[_Text, typer.Option("--negative", "--negative-prompt", metavar="TEXT", help="What not to draw.")]
Guidance = Annotated[_Text, typer.Option("--guidance", "--guidance-scale", metavar="X", help="0 to 30.")]
SchedulerName = Annotated[
    _Text, typer.Option("--scheduler", metavar="NAME", help="The sampler.", autocompletion=completing.schedulers)
]
Model = Annotated[
    _Text,
    typer.Option(
        "--model", metavar="NAME", help="One that the configuration allows.", autocompletion=completing.models
    ),
]
Image = Annotated[
    Path | None,
    typer.Option(
        "--image", readable=False, metavar="FILE", help="A picture to start from.", autocompletion=completing.files
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        "--mask", readable=False, metavar="FILE", help="White where it is redrawn.", autocompletion=completing.files
    ),
]
Upscale = Annotated[
    _Text,
    typer.Option(
        "--upscale",
        metavar="X|NAME",
        help="Enlarge: so many times, or by that upscaler. Of a picture alone nothing else is done.",
        autocompletion=completing.upscalers,
    ),
]
Strength = Annotated[_Text, typer.Option("--strength", metavar="X", help="How much of --image is drawn anew, 0 to 1.")]
Priority = Annotated[_Text, typer.Option("--priority", metavar="N", help="Higher runs first.")]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any key of a job file, its value as in YAML; may stand several times.",
        autocompletion=completing.assignments,
    ),
]
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="What file and results are called; may name folders.")
]
IsYaml = Annotated[bool, typer.Option("--yaml", help="Standard input is a job file, not a prompt.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end; print the results' paths.")]
