"""Rules by which a new version of a registered model becomes champion."""

from __future__ import annotations

from pydantic import Field

from penstock.config.base import BaseConfig, Name, NotNegative, PositiveFloat, ProperShare

AS_ALL = "None: as for all models."
MARGIN = (
    "Smallest improvement of the score that makes a version champion without a significant test, in the unit of the "
    "score: accuracy, mean squared error or Frechet distance."
)


class ModelPromotionConfig(BaseConfig):
    """Rules for one model, in place of those for all."""

    alpha: ProperShare | None = Field(default=None, description=f"Significance level of the paired test. {AS_ALL}")
    margin: NotNegative | None = Field(default=None, description=f"{MARGIN} {AS_ALL}")
    max_latency_ratio: PositiveFloat | None = Field(
        default=None, description=f"Largest latency of one row, as a multiple of the champion's. {AS_ALL}"
    )
    max_size_ratio: PositiveFloat | None = Field(
        default=None, description=f"Largest size of the ONNX file, as a multiple of the champion's. {AS_ALL}"
    )


class PromotionConfig(BaseConfig):
    """When `penstock register` makes a new version champion. No stage depends on it."""

    alpha: ProperShare = Field(default=0.05, description="Significance level of the paired test.")
    margin: NotNegative | None = Field(default=None, description=f"{MARGIN} None: only the test counts.")
    max_latency_ratio: PositiveFloat = Field(
        default=1.25,
        description="Largest latency of one row, as a multiple of the champion's; both are measured by turns.",
    )
    max_size_ratio: PositiveFloat = Field(
        default=1.25, description="Largest size of the ONNX file, as a multiple of the champion's."
    )
    models: dict[Name, ModelPromotionConfig] = Field(default={}, description="Other rules for some models, by name.")

    def of_model(self, name: str) -> PromotionConfig:
        """Return the rules for a model, without those of others."""
        own = self.models[name].model_dump(exclude_none=True) if name in self.models else {}
        return self.model_copy(update=own | {"models": {}})
