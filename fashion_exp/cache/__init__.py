"""Results computed once, stored below `outputs/cache` and shared by runs, jobs and processes."""
