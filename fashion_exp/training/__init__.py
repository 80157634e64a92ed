"""Training loop, optimizers, schedules, devices and process groups. Depends on torch alone."""
