"""The structured fuzzer: mutants of packed images, run under sanitizers, compared with numpy."""
