"""What is measured, one module a part; `benchmarks.gpu.table` lists them."""
