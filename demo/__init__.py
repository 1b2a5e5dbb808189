"""The main job on real requests, for someone who sees the product for the first time. Not part of the package."""
