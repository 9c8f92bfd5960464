"""Networks trained by Lightning: what a step does, what an epoch leaves behind, and what comes out."""
