"""What `import fashion_exp as fx` offers: runs, sweeps and comparisons as Python objects."""
