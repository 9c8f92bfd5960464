"""The metrics that a run may have: a small fixed set, so that runs of different models can be compared."""

PER_EPOCH = frozenset(
    {
        "train_loss",
        "train_accuracy",
        "train_mean_squared_error",
        "train_generator_loss",
        "train_discriminator_loss",
        "validation_loss",
        "validation_accuracy",
        "validation_mean_squared_error",
        "validation_real_score",
        "validation_drawn_score",
        "learning_rate",
    }
)
OF_TRAINING = frozenset(
    {
        "parameters",
        "epochs",
        "best_epoch",
        "seconds",
        "samples_per_second",
        "folds_mean",
        "folds_sd",
        "seeds_mean",
        "seeds_sd",
    }
)
OF_VALIDATION = frozenset(
    {
        "test_accuracy",
        "test_loss",
        "test_mean_squared_error",
        "frechet_distance",
        "frechet_ratio",
        "smallest_class_share",
        "mean_confidence",
        "baseline",
        "parity_max_abs_diff",
        "parity_agreement",
        "onnx_bytes",
        "int8_accuracy",
        "int8_mean_squared_error",
        "int8_frechet_distance",
        "int8_bytes",
        "int8_latency_ms_batch_1",
        "latency_ms_batch_1",
        "latency_ms_batch_7",
        "latency_ms_batch_256",
    }
)
TIMED = frozenset({"seconds", "samples_per_second"}) | {one for one in OF_VALIDATION if "latency_" in one}
METRICS = PER_EPOCH | OF_TRAINING | OF_VALIDATION
