"""Weights of a transformers model, as a rung wants them. In: a class of transformers, files, placement. Out: the model.

One part in the placement's number format; on the lowest rungs its weights stay narrower, or in their files.
"""

from __future__ import annotations

from typing import Any

from aura_daemon.engines.loading.whole import load_whole
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.layerwise_casting import narrow, storage_dtype, widen_layer_by_layer
from aura_daemon.engines.placement.mapped_weights import WHOLE, left_in_files


def load_model(kind: Any, files: ModelFiles, placement: Placement) -> Any:
    """`kind`: the class, which is untyped; raises what `load_whole` raises."""
    stored, computed = storage_dtype(placement), placement.torch_dtype
    formats = left_in_files(files, placement.measures.storage)
    read = formats[WHOLE] if formats is not None else stored
    model = load_whole(
        kind,
        files.folder,
        model=files.name,
        dtype=read if read.itemsize > 1 else computed,
        variant=files.weights.variant,
        use_safetensors=not files.weights.pickled,
        local_files_only=True,
    )
    if formats is not None:
        widen_layer_by_layer(model, computed)
    elif stored is not computed:
        narrow(model, stored, computed)
    return model.to(placement.device).eval()
