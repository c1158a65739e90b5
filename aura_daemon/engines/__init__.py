"""The models: the only code that imports torch, diffusers and transformers.

In: requests. Out: `Produced | Failure`.

`session` holds what is loaded on one device and runs one request at a time; `generate` draws, `caption`
describes. `models` finds a model's files (`fetching` brings them from the hub, `weights` says which files
count), `placement` decides where it runs, `failures` turns exceptions into words. Importing this package
loads nothing heavy.
"""
