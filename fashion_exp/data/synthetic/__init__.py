"""How the embedded garments are drawn: cut, sewn, laid on a backdrop, lit and photographed.

Everything is decided in relative coordinates (garment units, or fractions of the picture's side)
before a single pixel is touched, so that any picture size shows the same scene.
"""
