"""Engines and models in processes of their own, because they import torch."""
