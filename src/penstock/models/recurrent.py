"""Recurrent layers over words or over the rows of an image.

imdb_lstm: embedding 10,000 x 50 -> LSTM 100 (dropout 0.2 on inputs, recurrent dropout 0.2) -> Dense 1 sigmoid;
560,901 parameters (Keras has 560,501, because torch keeps two bias vectors). The cell (RNN, GRU or LSTM), the number of
layers and the directions are settings. The results of each model are in docs/models.md.
`dvc repro validate@imdb_lstm` reproduces them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from penstock.config.networks import RecurrentConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import PADDING, DatasetInfo
from penstock.models.common.inputs import WordEmbedding, require_grey
from penstock.models.common.layers import glorot_dense, masked_max, masked_mean

Cell = Literal["rnn", "gru", "lstm"]


def build(settings: RecurrentConfig, info: DatasetInfo, outputs: int) -> nn.Module:
    """Build a network from word ids [N, T], or images [N, 1, T, D], to logits, float32 [N, outputs].

    Raises:
        WrongSettingError: The inputs are a table, which is not a sequence.
    """
    if info.kind in ("table", "columns"):
        raise WrongSettingError("network.kind", f"recurrent needs texts or images, {info.dataset} has table inputs")
    require_grey("recurrent", info)
    return RecurrentNetwork(settings, info.shape[-1], outputs)


class RecurrentNetwork(nn.Module):
    """Classify sequences: steps -> recurrent layers -> pooling to one state -> Dense.

    Args:
        settings: The settings of the network.
        width: D, the features of a step; ignored for words, which are embedded.
        outputs: Number of logits.
    """

    def __init__(self, settings: RecurrentConfig, width: int, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.words = WordEmbedding(settings.tokens) if settings.tokens else None
        width = settings.tokens.embedding_dim if settings.tokens else width
        self.layers = nn.ModuleList()
        for _ in range(settings.num_layers):
            self.layers.append(Layer(settings, width))
            width = settings.hidden_size * (2 if settings.bidirectional == "concatenation" else 1)
        self.dropout = nn.Dropout(settings.output_dropout)
        self.output = glorot_dense(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.words is None:
            steps_NTD = inputs.squeeze(1)
            real_NT = torch.ones_like(steps_NTD[:, :, 0], dtype=torch.bool)
        else:
            steps_NTD = self.words(inputs)
            real_NT = self.words.ids(inputs) != PADDING
        for layer in self.layers[:-1]:
            steps_NTD = layer(steps_NTD)
        logits: Tensor = self.output(self.dropout(self._pooled(steps_NTD, real_NT)))
        return logits

    def _pooled(self, steps_NTD: Tensor, real_NT: Tensor) -> Tensor:
        last = self.layers[-1]
        assert isinstance(last, Layer)
        if self.settings.pooling == "last":
            return last.final(steps_NTD, real_NT)
        pool = masked_mean if self.settings.pooling == "mean" else masked_max
        return pool(last(steps_NTD), real_NT)


class Layer(nn.Module):
    """Run a layer in one or both directions: [N, T, D] -> [N, T, H], or [N, T, 2H] if they are concatenated."""

    def __init__(self, settings: RecurrentConfig, width: int) -> None:
        super().__init__()
        self.join = settings.bidirectional
        self.forwards = self._direction(settings, width)
        self.backwards = self._direction(settings, width) if self.join else None

    @staticmethod
    def _direction(settings: RecurrentConfig, width: int) -> Direction:
        return Direction(
            settings.cell,
            width,
            settings.hidden_size,
            dropout=settings.dropout,
            recurrent_dropout=settings.recurrent_dropout,
        )

    def forward(self, steps_NTD: Tensor) -> Tensor:
        states_NTH: Tensor = self.forwards(steps_NTD)
        return states_NTH if self.backwards is None else self._joined(states_NTH, self._reversed(steps_NTD))

    def final(self, steps_NTD: Tensor, real_NT: Tensor) -> Tensor:
        """Return the final state, [N, H] or [N, 2H].

        The forward direction ends at the last step. The backward direction ends at the first step that is not padding.

        Args:
            steps_NTD: Inputs of the layer, float32 [N, T, D].
            real_NT: False for padding, bool [N, T].
        """
        final_NH: Tensor = self.forwards(steps_NTD)[:, -1]
        if self.backwards is None:
            return final_NH
        states_NTH = self._reversed(steps_NTD)
        first_N = (real_NT.shape[1] - real_NT.sum(dim=1)).clamp(max=real_NT.shape[1] - 1)
        index_N1H = first_N.view(-1, 1, 1).expand(-1, 1, states_NTH.shape[2])
        return self._joined(final_NH, states_NTH.gather(1, index_N1H).squeeze(1))

    def _reversed(self, steps_NTD: Tensor) -> Tensor:
        assert self.backwards is not None
        states_NTH: Tensor = self.backwards(steps_NTD.flip(1))
        return states_NTH.flip(1)

    def _joined(self, forwards: Tensor, backwards: Tensor) -> Tensor:
        return forwards * backwards if self.join == "product" else torch.cat([forwards, backwards], dim=-1)


class Direction(nn.Module):
    """Run one recurrent layer forward: [N, T, D] -> the state after every step, [N, T, H].

    As in Keras, a sequence has one input mask and one state mask for all its steps, in training only (Gal and
    Ghahramani, 2016, arXiv:1512.05287). torch's own layer runs if the state is not masked, and it is exported. The
    exception is training of a plain RNN on a CPU: `tanh_states` is faster, and differs by rounding.

    Weights are initialized as in Keras, on which the documented scores depend: Glorot-uniform input weights, orthogonal
    recurrent weights, forget gate biases of 1. The recurrent weights of a plain RNN are the identity (Le, Jaitly and
    Hinton, 2015, arXiv:1504.00941); otherwise the state does not last for 200 steps.

    Args:
        cell: Type of the cell.
        width: D, features of a step.
        hidden: H, size of the state.
        dropout: Share of the inputs that is masked, 0..1.
        recurrent_dropout: Share of the state that is masked before each step, 0..1.
    """

    def __init__(self, cell: Cell, width: int, hidden: int, *, dropout: float, recurrent_dropout: float) -> None:
        super().__init__()
        self.cell = cell
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](width, hidden, batch_first=True)
        from_inputs, from_state, bias, second_bias = self._weights()
        nn.init.xavier_uniform_(from_inputs)
        (nn.init.eye_ if cell == "rnn" else nn.init.orthogonal_)(from_state)
        nn.init.zeros_(bias)
        nn.init.zeros_(second_bias)
        if cell == "lstm":  # gates in torch's order: input, forget, cell, output
            nn.init.ones_(bias[hidden : 2 * hidden])

    def _weights(self) -> list[nn.Parameter]:
        """Return input weights [G, D], recurrent weights [G, H] and torch's two biases [G]; G is H times the gates."""
        weights: list[nn.Parameter] = self.layer.all_weights[0]
        return weights

    def forward(self, steps_NTD: Tensor) -> Tensor:
        if self.training and self.dropout:
            steps_NTD = steps_NTD * self._mask(steps_NTD[:, :1], share=self.dropout)
        if self.training and self.recurrent_dropout:
            return self._with_masked_state(steps_NTD)
        if self.training and self.cell == "rnn" and steps_NTD.device.type == "cpu":
            return self._without_a_graph(steps_NTD)
        states_NTH: Tensor = self.layer(steps_NTD)[0]
        return states_NTH

    def _without_a_graph(self, steps_NTD: Tensor) -> Tensor:
        from_inputs, from_state, bias, second_bias = self._weights()
        inputs_NTH = functional.linear(steps_NTD, from_inputs, bias + second_bias)
        return tanh_states(inputs_NTH.transpose(0, 1), from_state).transpose(0, 1)

    def _with_masked_state(self, steps_NTD: Tensor) -> Tensor:
        from_inputs, from_state, bias, second_bias = self._weights()
        inputs_NTG = functional.linear(steps_NTD, from_inputs, bias)
        state = carried = steps_NTD.new_zeros(len(steps_NTD), self.layer.hidden_size)
        mask_NH = self._mask(state, share=self.recurrent_dropout)
        weights, step, states = from_state.t(), STEPS[self.cell], []
        if self.cell != "gru":  # the reset gate of a GRU acts on the second bias, so it stays separate
            inputs_NTG = inputs_NTG + second_bias
        for inputs_NG in inputs_NTG.unbind(dim=1):
            state, carried = step(inputs_NG, state * mask_NH, carried, weights, second_bias)
            states.append(state)
        return torch.stack(states, dim=1)

    @staticmethod
    def _mask(like: Tensor, share: float) -> Tensor:
        return functional.dropout(torch.ones_like(like), share)


# Arguments: contribution of the inputs to each gate [N, G], masked state [N, H], carried state (of the LSTM: the cell
# state) [N, H], recurrent weights [H, G], second bias of a GRU [G]. Returns the new state and the new carried state.
Step = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _rnn_step(inputs: Tensor, state: Tensor, carried: Tensor, weights: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tanh(torch.addmm(inputs, state, weights)), carried


def _gru_step(inputs: Tensor, state: Tensor, carried: Tensor, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    reset_in, update_in, candidate_in = inputs.chunk(3, dim=1)
    reset_from, update_from, candidate_from = torch.addmm(bias, state, weights).chunk(3, dim=1)
    update = torch.sigmoid(update_in + update_from)
    candidate = torch.tanh(candidate_in + torch.sigmoid(reset_in + reset_from) * candidate_from)
    carried = (1 - update) * candidate + update * carried
    return carried, carried


def _lstm_step(inputs: Tensor, state: Tensor, carried: Tensor, weights: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    update, forget, candidate, output = torch.addmm(inputs, state, weights).chunk(4, dim=1)
    carried = torch.sigmoid(forget) * carried + torch.sigmoid(update) * torch.tanh(candidate)
    return torch.sigmoid(output) * torch.tanh(carried), carried


STEPS: dict[Cell, Step] = {"rnn": _rnn_step, "gru": _gru_step, "lstm": _lstm_step}


def tanh_states(inputs_TNH: Tensor, from_state_HH: Tensor) -> Tensor:
    """Run a plain tanh RNN from a zero state; faster than torch's own in training on a CPU.

    A text has hundreds of small steps, and autograd's overhead per step exceeds the cost of the step. So both passes
    are explicit. The gradient of a state, times 1 - h_t^2, is the gradient of its input. W^T propagates it to the
    previous state. The gradient of W is one product over all steps (Werbos, 1990, doi:10.1109/5.58337).

    torch's sigmoid takes a fifth of the time of its tanh, and tanh(a) / 2 = sigmoid(2a) - 1/2. So the forward pass
    computes half states: 2 a_t = 2 x_t + 4 W h_(t-1) / 2.

    Args:
        inputs_TNH: Contribution of the inputs to each step, biases included, float32 [T, N, H].
        from_state_HH: Recurrent weights in the layout of `nn.RNN`, float32 [H, H].

    Returns:
        The state after every step, float32 [T, N, H].

    Raises:
        RuntimeError: The result is differentiated twice.
    """
    states_TNH: Tensor = _TanhStates.apply(inputs_TNH, from_state_HH)  # type: ignore[no-untyped-call]
    return states_TNH


class _TanhStates(Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
    def forward(context: Any, inputs_TNH: Tensor, from_state_HH: Tensor) -> Tensor:  # noqa: ANN401  (torch's own)
        states_TNH = inputs_TNH.clone(memory_format=torch.contiguous_format)
        half, weights_HH = torch.zeros_like(states_TNH[0]), from_state_HH.t()
        for state in states_TNH.unbind():
            half = state.addmm_(half, weights_HH, beta=2, alpha=4).sigmoid_().sub_(0.5)
        states_TNH.mul_(2)
        context.save_for_backward(states_TNH, from_state_HH)
        return states_TNH

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(context: Any, gradient_TNH: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: ANN401
        states_TNH, from_state_HH = context.saved_tensors
        inputs_TNH = gradient_TNH.clone(memory_format=torch.contiguous_format)
        slopes_TNH = torch.addcmul(states_TNH.new_ones(()), states_TNH, states_TNH, value=-1)
        after = torch.zeros_like(states_TNH[0])
        for gradient, slope in reversed(list(zip(inputs_TNH.unbind(), slopes_TNH.unbind(), strict=True))):
            after = gradient.addmm_(after, from_state_HH).mul_(slope)
        from_state = inputs_TNH[1:].flatten(0, 1).t() @ states_TNH[:-1].flatten(0, 1)
        return inputs_TNH, from_state
