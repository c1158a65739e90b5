"""OpenVINO computes the UNet, and looks for captioners, on a CPU: the only code that imports openvino and nncf.

`store` keeps converted models, `background` has them converted by `conversion_child` while jobs go on, `choice` says
which engine a machine uses for a model. `unet` and `looking` compute. Importing this package imports no library.
"""
