"""What `benchmarks/fuzz.py` is made of: hostile inputs from valid files, the readers they go to, and who watches."""
