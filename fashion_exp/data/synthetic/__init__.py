"""Draws the embedded garment images: cut, assembly, backdrop, light and camera.

A scene is defined in relative coordinates (garment units, or fractions of the image's side) before
any pixel is drawn, so every image size shows the same scene.
"""
