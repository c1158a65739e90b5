"""Pictures, enlarged by a model: networks of the ESRGAN family, SwinIR and others that spandrel knows."""
