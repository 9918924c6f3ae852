"""The Open Inference Protocol with Triton's extensions, judged by clients that this project did not write.

`clients/` holds pytest files that know nothing but an address. Each is run by the Python of the environment in which
its client lives (environments.sh makes them), against our server and, where the real Triton is installed, that.
"""
