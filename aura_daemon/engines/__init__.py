"""The models: the only code that imports torch, diffusers and transformers.

In: tasks. Out: `Produced | Failure`, reported by `reporter`.

`session` runs tasks by their family (`interface`, `families`): `stable_diffusion` draws, `captioning` describes.
`model_files` finds the files of a model, here or on the hub; `placement` decides on which device and rung the model
runs; `failures` turns exceptions into words. Importing this package imports no library.
"""
