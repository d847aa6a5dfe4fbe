"""Speed, memory and start-up of the real command, side by side with what people use instead: ``python -m benchmarks``."""
