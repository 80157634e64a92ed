"""Training loops, optimizers, schedules, devices and process groups, without configs and files."""
