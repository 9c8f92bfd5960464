"""Test recurrent networks: RNN, GRU and LSTM with any number of layers and directions."""

import pytest
import torch
from torch import nn

from penstock.models.recurrent import Direction, RecurrentNetwork, tanh_states
from tests.models.documented import recurrent_settings

CELLS = ("rnn", "gru", "lstm")


def direction(cell, dropout=0.5, recurrent_dropout=0.5):
    torch.manual_seed(0)
    return Direction(cell, 3, 5, dropout=dropout, recurrent_dropout=recurrent_dropout)


def network(width=3, outputs=2, **changes):
    torch.manual_seed(0)
    return RecurrentNetwork(recurrent_settings(**changes), width, outputs)


@pytest.mark.parametrize("cell", CELLS)
def test_loop_equals_torch_layer_without_dropout(cell, monkeypatch):
    layer, steps = direction(cell), torch.randn(4, 7, 3)
    for bias in layer._weights()[2:]:
        nn.init.normal_(bias)
    monkeypatch.setattr(layer, "_mask", lambda like, share: torch.ones_like(like))
    assert torch.allclose(layer.train()(steps), layer.eval()(steps), atol=1e-6)


def test_rnn_in_training_equals_torch_with_all_gradients():
    layer, steps = direction("rnn", dropout=0.0, recurrent_dropout=0.0).double(), torch.randn(4, 7, 3).double()
    for weight in layer._weights():
        nn.init.normal_(weight, std=0.5)

    def states_and_gradients():
        leaves = [steps.requires_grad_(), *layer._weights()]
        states = layer(steps)
        return [states, *torch.autograd.grad((states * torch.linspace(-1, 1, 5)).sum(), leaves)]

    ours, theirs = layer.train() and states_and_gradients(), layer.eval() and states_and_gradients()
    assert type(ours[0].grad_fn) is not type(theirs[0].grad_fn)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_rnn_gradients_equal_finite_differences(steps):
    torch.manual_seed(0)
    inputs, weights = torch.randn(steps, 3, 4).double(), torch.randn(4, 4).double()
    assert torch.autograd.gradcheck(tanh_states, (inputs.requires_grad_(), weights.requires_grad_()))


def test_rnn_on_long_sequence_equals_torch_up_to_rounding():
    layer, steps = direction("rnn", dropout=0.0, recurrent_dropout=0.0), torch.randn(4, 200, 3)
    found = []
    for training in (True, False):
        layer.train(training).zero_grad()
        states = layer(steps)
        states[:, -1].sum().backward()
        found.append([states, *(weight.grad.clone() for weight in layer._weights())])
    for ours, torchs in zip(*found, strict=True):
        assert torch.allclose(ours, torchs, rtol=1e-4, atol=1e-5)


def test_rnn_keeps_full_precision_under_autocast():
    layer, steps = direction("rnn", dropout=0.0, recurrent_dropout=0.0).train(), torch.randn(4, 7, 3)
    with torch.autocast("cpu", torch.bfloat16):
        states = layer(steps)
    states.sum().backward()
    assert states.dtype == torch.float32
    assert torch.allclose(states, layer(steps), atol=0.05)
    assert all(weight.grad.dtype == torch.float32 for weight in layer._weights())


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_mask_is_shared_by_all_steps(cell, monkeypatch):
    """The mask of the state is the same at every step, and differs between rows."""
    layer, entering = direction(cell, dropout=0.0), []
    plain = torch.addmm

    def watched(step, state, weights):
        entering.append(state)
        return plain(step, state, weights)

    monkeypatch.setattr(torch, "addmm", watched)
    layer.train()(torch.randn(8, 6, 3))
    dropped = torch.stack(entering[1:]) == 0  # the initial state is zero
    assert len(entering) == 6
    assert (dropped == dropped[0]).all()
    assert dropped.any()
    assert not dropped.all()
    assert len({tuple(row.tolist()) for row in dropped[0]}) > 1


def test_dropout_mask_keeps_the_expected_value():
    mask = Direction._mask(torch.zeros(10_000), share=0.2)
    assert mask.mean().item() == pytest.approx(1, abs=0.02)
    assert set(mask.unique().tolist()) == {0.0, 1.25}


@pytest.mark.parametrize("cell", CELLS)
def test_evaluation_has_no_dropout(cell):
    layer, steps = direction(cell).eval(), torch.randn(2, 4, 3)
    assert torch.equal(layer(steps), layer(steps))


def test_lstm_forget_bias_is_one_and_rnn_weight_is_identity():
    assert direction("lstm").layer.bias_ih_l0.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10
    assert torch.equal(direction("rnn").layer.weight_hh_l0, torch.eye(5))


@pytest.mark.parametrize("cell", CELLS)
def test_bidirectional_layer_equals_torch(cell):
    net = network(cell=cell, bidirectional="concatenation", num_layers=1).eval()
    theirs = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](3, 5, batch_first=True, bidirectional=True)
    layer = net.layers[0]
    for suffix, ours in (("", layer.forwards), ("_reverse", layer.backwards)):
        for name, weight in ours.layer.named_parameters():
            getattr(theirs, f"{name}{suffix}").data.copy_(weight)
    steps = torch.randn(2, 6, 3)
    assert torch.allclose(layer(steps), theirs(steps)[0], atol=1e-6)


def test_product_multiplies_states_of_both_directions():
    both = network(bidirectional="product", num_layers=1).eval().layers[0]
    steps = torch.randn(2, 6, 3)
    expected = both.forwards(steps) * both.backwards(steps.flip(1)).flip(1)
    assert torch.equal(both(steps), expected)
    real = torch.ones(2, 6, dtype=torch.bool)
    assert torch.equal(both.final(steps, real), both.forwards(steps)[:, -1] * both.backwards(steps.flip(1))[:, -1])


def test_backward_direction_ends_at_first_word():
    """The padding on the left of a short text is ignored."""
    both = network(bidirectional="concatenation", num_layers=1).eval().layers[0]
    steps, real = torch.randn(1, 6, 3), torch.tensor([[False, False, True, True, True, True]])
    alone = both.backwards(steps[:, 2:].flip(1))[:, -1]
    assert torch.allclose(both.final(steps, real)[:, 5:], alone, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [None, "product", "concatenation"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("layers", [1, 3])
def test_every_combination_has_outputs_and_gradients(bidirectional, pooling, layers):
    net = network(bidirectional=bidirectional, pooling=pooling, num_layers=layers, dropout=0.2, recurrent_dropout=0.2)
    logits = net(torch.randn(4, 1, 6, 3))
    assert logits.shape == (4, 2)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
