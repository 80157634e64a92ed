"""What is computed once: kept below `outputs/cache`, shared by runs, jobs and processes."""
