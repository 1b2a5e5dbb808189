"""The main job on real requests, for somebody who sees the product for the first time. Not part of the package."""
