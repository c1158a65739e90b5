"""The UNet by torch.compile, by TensorRT, and as a CUDA graph."""
