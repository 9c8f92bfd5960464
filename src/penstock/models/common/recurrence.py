"""A plain recurrent layer in training, quicker on a CPU than torch's own: a text is hundreds of steps, each so small
that what torch notes down of it, to find its way back, takes longer than the step. Here both ways are written down.

Back through h_t = tanh(x_t + W h_(t-1)), the gradient of a state times 1 - h_t^2 is that of its x_t, and W^T brings it
to the state before; the gradient of W is one product over all steps, at the end (Werbos, 1990, doi:10.1109/5.58337).

torch's sigmoid takes a fifth of the time of its tanh, and tanh(a) / 2 = sigmoid(2a) - 1/2: the way forward goes by half
states, 2 a_t = 2 x_t + 4 W h_(t-1) / 2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def tanh_states(inputs_TNH: Tensor, from_state_HH: Tensor) -> Tensor:
    """The states after every step of a plain RNN that begins with zeros, [T, N, H].

    Args:
        inputs_TNH: what the inputs say to each step, biases included.
        from_state_HH: the weights from the state before, as nn.RNN has them.

    Raises:
        RuntimeError: it is differentiated twice.
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
